#version 450

// One triangle over the whole picture, at the far plane: only pixels that no solid covers are shaded.
void main() {
    gl_Position = vec4(gl_VertexIndex == 1 ? 3.0 : -1.0, gl_VertexIndex == 2 ? 3.0 : -1.0, 1.0, 1.0);
}
