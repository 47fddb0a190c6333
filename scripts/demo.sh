#!/usr/bin/env bash
# Builds the programs and runs the demo. The arguments are those of the demo: --context NAME for an
# existing cluster, --kind.
set -euo pipefail
cd "$(dirname "$0")/.."

needs=(tools)
case " $* " in
  *" --context kind-"* | *" --context=kind-"* | *" --kind "*) ;;
  *" --context"*)
    # The demo refuses this, too. Here it is said before anything is installed or built.
    echo "images cannot be loaded into this cluster: name a context of kind (kind-…), or none" >&2
    exit 1
    ;;
  *) needs+=(cluster) ;;
esac
scripts/need.sh "${needs[@]}"
folder=${CARGO_TARGET_DIR:-target}
if compgen -G "$folder/debug/demo" >/dev/null || compgen -G "$folder/*/debug/demo" >/dev/null; then
  echo "== programs (seconds where nothing has changed)"
else
  echo "== programs (about 6 min: nothing is built yet)"
fi
cargo build --workspace --bins
cargo run -q --bin demo -- "$@"
