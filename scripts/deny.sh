#!/usr/bin/env bash
# Licences, banned crates and sources of every dependency, by cargo-deny. It is built once and kept
# with the other tools.
#   scripts/deny.sh               what `make test` checks
#   scripts/deny.sh advisories    known vulnerabilities too; fetches the advisory database
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/msg2agent/cargo-deny-$version"
if [ ! -x "$folder/bin/cargo-deny" ]; then
  echo "building cargo-deny $version, once (about 5 minutes)"
  cargo install --quiet --locked --version "$version" --root "$folder" --target-dir "$folder/build" cargo-deny
  rm -rf "$folder/build"
fi
"$folder/bin/cargo-deny" --log-level error check --hide-inclusion-graph licenses bans sources "$@"
