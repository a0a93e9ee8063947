#!/usr/bin/env bash
# Compiles the capture shaders to SPIR-V and writes the manifest that a test holds the sources to. Needs glslc
# ('apt-get install glslc'). Run it after a change of any shader source and commit the results.
set -euo pipefail
cd "$(dirname "$0")"

for pass in columns rows; do
    glslc --target-env=vulkan1.2 -O -o "capture_${pass}.spv" "capture_${pass}.comp"
    glslc --target-env=vulkan1.2 -O -DCAPTURE_FLOAT -o "capture_${pass}_float.spv" "capture_${pass}.comp"
done
sha256sum ./*.comp ./*.glsl ./*.spv | sed 's# \./# #' >manifest.sha256
