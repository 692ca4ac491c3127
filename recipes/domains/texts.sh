#!/usr/bin/env bash
# Texts of domains that the default model has not seen, made of Debian 12 packages:
#   recipes/domains/texts.sh [OUT]        (default: corpus/ in the repository)
# OUT/DOMAIN/{train,valid,heldout}.txt, DOMAIN being french (manual pages) and perl (modules without their documentation): documents
# between zero bytes. Nothing is installed; 7 MB are downloaded. Needs apt, dpkg-deb and python3. Half a minute.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../corpus}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq -o APT::Sandbox::User=root download manpages-fr manpages-fr-dev perl-modules-5.36
for package in *.deb; do dpkg-deb -x "$package" files; done
python3 -B "$here/texts.py" files "$out"
