#!/usr/bin/env bash
# Sets up, builds and runs the main job: draw a scene with Vulkan, capture the frame, describe it, answer, ground phrases.
# Writes out/scene.png, out/scene.annotated.png and out/answer.json. Arguments go to the program: ./demo.sh --help
set -euo pipefail
cd "$(dirname "$0")"
bash scripts/setup.sh
dotnet build Samples/SceneQuery/SceneQuery.csproj -c Release -v q --nologo
exec dotnet artifacts/bin/SceneQuery/release/SceneQuery.dll "$@"
