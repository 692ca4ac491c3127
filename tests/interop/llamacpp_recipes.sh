#!/usr/bin/env bash
# llamacpp_recipes.sh PROGRAM WORK: our quantisation recipes beside those of the llama.cpp in npm's node-llama-cpp.
set -euo pipefail
program=$1 work=$2
source "$(dirname "$0")/node_llama_cpp.sh"
library=$(find "$package/node_modules/@node-llama-cpp" -path '*/linux-x64/*' -name 'libllama.*so*' | head -1)
LD_LIBRARY_PATH=$(dirname "$library") "$program" "$library" "$work/recipes"
