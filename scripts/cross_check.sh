#!/usr/bin/env bash
# Checks that the SDK, its examples and m2a compile for Windows and macOS. Nothing is linked, so
# no C compiler for these systems is needed: a stand-in answers the build script of ring. Where the
# standard library or a dependency of a system cannot be fetched, that system is not checked, and a
# sentence says so.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(x86_64-pc-windows-gnu aarch64-apple-darwin)

# Writes the file that follows -o, or the archive that ar is told to make, without contents.
stand_in=target/cross-check/cc
mkdir -p "$(dirname "$stand_in")"
cat >"$stand_in" <<'SCRIPT'
#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -o) : >"$2" ;;
    *.a) : >"$1" ;;
  esac
  shift
done
SCRIPT
chmod +x "$stand_in"
stand_in=$PWD/$stand_in

# Says why a system is not checked.
skip() {
  echo "the SDK and m2a are not checked for $1: $2"
}

for target in "${targets[@]}"; do
  library="$(rustc --print sysroot)/lib/rustlib/$target/lib"
  if [ ! -d "$library" ]; then
    if ! command -v rustup >/dev/null; then
      skip "$target" "there is no rustup, which installs its standard library"
      continue
    fi
    if ! timeout 60 rustup target add "$target" >/dev/null 2>&1; then
      skip "$target" "rustup could not install its standard library"
      continue
    fi
  fi
  if ! timeout 60 cargo fetch --quiet --locked --target "$target"; then
    skip "$target" "its dependencies could not be fetched"
    continue
  fi
  name=${target//-/_}
  env "CC_$name=$stand_in" "AR_$name=$stand_in" SDKROOT=/ \
    cargo check --quiet --locked --package msg2agent --package m2a --lib --bins --examples --target "$target"
  echo "the SDK and m2a compile for $target"
done
