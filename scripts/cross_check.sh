#!/usr/bin/env bash
# Checks that protocol, SDK and m2a compile for Windows and macOS. Nothing is linked, so no C
# compiler of those systems is needed: an empty file takes the place of each object. A system whose
# standard library is not installed and cannot be is skipped with a message.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(x86_64-pc-windows-gnu x86_64-apple-darwin)
# How long rustup may look for a standard library where there is no network.
install_timeout_seconds=120

folder=$PWD/target/cross-check
mkdir -p "$folder"
cat >"$folder/cc" <<'PROGRAM'
#!/usr/bin/env bash
# Writes an empty file in the place of an object.
previous=
for argument in "$@"; do
  if [ "$previous" = -o ]; then : >"$argument"; fi
  previous=$argument
done
PROGRAM
cat >"$folder/ar" <<'PROGRAM'
#!/usr/bin/env bash
# Writes an empty file in the place of a library.
for argument in "$@"; do
  case $argument in *.a | *.lib) : >"$argument" ;; esac
done
PROGRAM
chmod +x "$folder/cc" "$folder/ar"

is_installed() {
  [ -d "$(rustc --print target-libdir --target "$1")" ]
}

install() {
  command -v rustup >/dev/null && timeout "$install_timeout_seconds" rustup target add "$1"
}

for target in "${targets[@]}"; do
  if ! is_installed "$target" && ! { install "$target" && is_installed "$target"; }; then
    echo "skipped: m2a is not checked for $target, whose standard library cannot be installed" >&2
    continue
  fi
  name=${target//-/_}
  env "CC_$name=$folder/cc" "AR_$name=$folder/ar" "${CARGO:-cargo}" check --locked --quiet \
    --target "$target" --package msg2agent-protocol --package msg2agent --package m2a
  echo "m2a compiles for $target"
done
