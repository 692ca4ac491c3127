#!/usr/bin/env bash
# llamacpp.sh GREMIUM TINY_MODELS WORK DEFAULT_MODEL: what Gremium exports, read by llama.cpp through npm's
# node-llama-cpp. Exit code 77 (skipped) where node or the package cannot be had. NODE_LLAMA_CPP names a
# directory that has it installed.
set -euo pipefail
gremium=$1 tiny_models=$2 work=$3 default_model=$4
here=$(cd "$(dirname "$0")" && pwd)
source "$here/node_llama_cpp.sh"

rm -rf "$work/models"
"$tiny_models" "$work/models"
models=("$work"/models/*.gguf)
if [[ -e $default_model ]]; then
  "$gremium" convert -q "$default_model" "$work/models/default-f32.gguf" --type f32
  models+=("$work/models/default-f32.gguf")
fi
cd "$package" && node "$here/llamacpp.mjs" "$gremium" "${models[@]}"
