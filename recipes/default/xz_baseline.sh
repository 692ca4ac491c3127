#!/bin/bash
# Bits per byte of `xz -9e` on the held-out text of every domain, the mark the model has to beat:
#   recipes/default/xz_baseline.sh [OUT]   (OUT as for corpus.sh)
set -euo pipefail
out=${1:-$(cd "$(dirname "$0")/../.." && pwd)/corpus}
for f in "$out"/*/heldout.txt; do
  raw=$(wc -c < "$f") packed=$(xz -9e -T1 -c "$f" | wc -c)
  awk -v d="$(basename "$(dirname "$f")")" -v r="$raw" -v p="$packed" \
    'BEGIN { printf "%-8s %8d bytes  xz -9e %7d bytes  %.4f bits per byte\n", d, r, p, 8 * p / r }'
done
