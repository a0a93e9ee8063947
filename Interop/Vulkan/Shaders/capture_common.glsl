// Shared by both passes of a capture. Exact mode keeps whole bytes between the passes (Pillow's integer resize);
// CAPTURE_FLOAT keeps floats.
//
// Tables is one buffer of 32-bit words:
//   column table: starts[window.x], counts[window.x], weights[window.x * columnTaps]
//   row table:    starts[window.y], counts[window.y], weights[window.y * rowTaps]
//   lookup:       3 x 256 floats, red first
//   thresholds:   256 floats; the k-th is the smallest texel value of linear light whose level is above k
// Weights are integers with 22 fraction bits, or floats in float mode.
//
// Rows is the picture between the passes: rowCount rows of window.x pixels, source row firstRow first. A pixel is one
// word 0x00BBGGRR, or three floats 0..255 in float mode.

layout(local_size_x = 16, local_size_y = 4) in;

layout(push_constant) uniform Parameters {
    ivec2 window;     // resized pixels that are seen in the grid
    ivec2 place;      // where the window's top left pixel lies in the grid
    ivec2 grid;       // columns and rows of the grid
    int firstRow;     // first source row that any seen pixel needs
    int rowCount;     // source rows from there on
    int columnTable;  // word offset of the column table
    int columnTaps;
    int rowTable;     // word offset of the row table
    int rowTaps;
    int lookup;       // word offset of the look-up table; the thresholds follow it
    int patchSide;    // 0: planar grid; else side of a patch of a patch-major grid
    uint fill;        // 0x00BBGGRR of the letterbox bars
    int encode;       // 0: the texel is display-encoded; 1: it is linear light
    float exposure;   // factor on linear light
};

layout(std430, binding = 1) readonly buffer Tables { int tables[]; };

float word(int at) { return intBitsToFloat(tables[at]); }
