#!/bin/bash
# Makes the training corpus of the default model out of Debian 12 packages:
#   recipes/default/corpus.sh [OUT]        (default: corpus/ in the repository)
# OUT/DOMAIN/{train,heldout}.txt hold UTF-8 documents separated by a zero byte, DOMAIN being
# english, german, c and python; OUT/manifest.tsv says what they were made of.
# Nothing is installed: packages are downloaded to a cache (2.3 GB, CORPUS_CACHE=DIR to choose)
# and read from there.  Same package versions, same corpus; empty the cache for newer versions.
# Needs bash, apt, python3.  About ten minutes on two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
out=${1:-$repo/corpus}
cache=${CORPUS_CACHE:-$repo/.cache/corpus}
mkdir -p "$out" "$cache"/{lists/partial,apt/archives/partial,debs,parts}
out=$(cd "$out" && pwd) cache=$(cd "$cache" && pwd)

# An apt of our own, with the machine's mirror but with the German package descriptions, so that
# the machine's package lists stay as they are.
cp -f /etc/apt/apt.conf.d/* "$cache/parts/" 2>/dev/null || true
cat > "$cache/parts/zz-corpus" <<EOF
#clear Acquire::Languages;
Acquire::Languages "de";
Acquire::GzipIndexes "false";
APT::Sandbox::User "root";
EOF
list=/etc/apt/sources.list.d/debian.sources
[ -e "$list" ] || list=/etc/apt/sources.list
cat > "$cache/apt.conf" <<EOF
Dir::State::lists "$cache/lists";
Dir::Etc::sourcelist "$list";
Dir::Etc::sourceparts "-";
Dir::Etc::parts "$cache/parts";
Dir::Cache "$cache/apt";
EOF
export APT_CONFIG=$cache/apt.conf
[ -n "$(ls "$cache"/lists/*Packages* 2>/dev/null)" ] || apt-get -qq update

cd "$cache/debs"
mapfile -t want < <(sed 's/#.*//' "$here/packages.txt" | awk '{ for (i = 2; i <= NF; i++) print $i }' | sort -u |
  while read -r p; do compgen -G "${p}_*.deb" > /dev/null || echo "$p"; done)
if [ ${#want[@]} -gt 0 ]; then  # a mirror may lack some; the rest still makes a corpus
  mapfile -t have < <(apt-cache show --no-all-versions "${want[@]}" 2>/dev/null | sed -n 's/^Package: //p' | sort -u)
  [ ${#have[@]} -eq 0 ] || nice -n 10 apt-get -qq download "${have[@]}"
fi
cd "$here"
nice -n 10 python3 -B corpus.py "$cache" "$out"
