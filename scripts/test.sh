#!/usr/bin/env bash
# Runs everything: checks dependencies and format, builds all programs, checks that the clients
# compile for other systems, runs all tests, and ends the clusters that they started. The clusters
# are built in. An existing cluster: set MSG2AGENT_TEST_CLUSTER_CONTEXT, and
# MSG2AGENT_TEST_CLUSTER_KUBECONFIG where it is not in ~/.kube/config. Clusters of kind:
# MSG2AGENT_TEST_CLUSTER_KIND=1. KUBECONFIG is never read.
set -euo pipefail
cd "$(dirname "$0")/.."

needs=(tools clients browser)
if [ -z "${MSG2AGENT_TEST_CLUSTER_CONTEXT:-}" ] && [ "${MSG2AGENT_TEST_CLUSTER_KIND:-}" != 1 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "the built-in clusters need root: run this as root, or name other ones (CONTRIBUTING.md)" >&2
    exit 1
  fi
  needs+=(cluster)
fi
scripts/need.sh "${needs[@]}"
scripts/deny.sh
cargo fmt --all --check
cargo build --workspace --bins
scripts/cross_check.sh
end_clusters() {
  local record
  for record in target/*-cluster/cluster.json; do
    if [ -f "$record" ]; then
      cargo run -q --bin cluster -- --folder "$(dirname "$record")" down
    fi
  done
}
trap end_clusters EXIT
cargo test --workspace --no-fail-fast
