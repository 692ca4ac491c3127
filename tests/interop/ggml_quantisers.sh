#!/usr/bin/env bash
# ggml_quantisers.sh PROGRAM WORK: our quantisers beside those of the ggml that comes with npm's node-llama-cpp.
set -euo pipefail
program=$1 work=$2
source "$(dirname "$0")/node_llama_cpp.sh"
"$program" "$(find "$package/node_modules/@node-llama-cpp" -name libggml-base.so -path '*/linux-x64/*' | head -1)"
