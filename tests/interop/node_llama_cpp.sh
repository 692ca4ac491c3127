# Sourced: sets `package` to a directory with npm's node-llama-cpp, installed below $work where NODE_LLAMA_CPP names
# none; leaves with exit code 77 (skipped) where it cannot be had.
skip() { echo "SKIPPED: $*"; exit 77; }
command -v node >/dev/null || skip "there is no node"
package=${NODE_LLAMA_CPP:-$work/npm}
if [[ ! -d $package/node_modules/node-llama-cpp ]]; then
  command -v npm >/dev/null || skip "there is no npm"
  mkdir -p "$package"
  (cd "$package" && timeout 240 npm install --no-save --ignore-scripts --omit=optional --loglevel=error \
    node-llama-cpp@3 @node-llama-cpp/linux-x64@3) || skip "node-llama-cpp cannot be installed"
fi
