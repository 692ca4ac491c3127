#!/bin/bash
# Texts of the default model's four domains that it was not trained on, for docs/lab.md:
#   recipes/lab/texts.sh OUT
# OUT/DOMAIN/{train,heldout}.txt hold UTF-8 documents separated by a zero byte; 70 MB of Debian packages are downloaded (and kept
# in OUT/debs), nothing is installed. Needs apt and python3. recipes/domains has texts of domains that are new to the model.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/debs"
cd "$1/debs"
for package in $("$here/texts.py" packages); do
  compgen -G "${package}_*.deb" >/dev/null || apt-get -qq -o APT::Sandbox::User=root download "$package"
done
cd ..
exec "$here/texts.py" .
