#!/usr/bin/env bash
# Compiles the scene renderer's shaders with glslc and writes checksums of sources and results to checksums.sha256.
set -euo pipefail
cd "$(dirname "$0")"
for source in *.vert *.frag; do
    glslc --target-env=vulkan1.3 -O -o "$source.spv" "$source"
done
sha256sum -- *.vert *.frag *.glsl *.spv > checksums.sha256
