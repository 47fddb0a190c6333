#!/usr/bin/env bash
# Everything: checks dependencies and format, builds all programs, starts a cluster for the suites that need one, runs all tests, ends the cluster.
# A cluster of your own: set KUBECONFIG, and MSG2AGENT_KUBE_CONTEXT where it is not the current context.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh cluster clients browser
scripts/deny.sh
cargo fmt --all --check
cargo build --workspace --bins
cluster() {
  cargo run -q --bin cluster -- --folder "target/$1-cluster" "$2"
}
end_clusters() {
  cluster test down
  cluster install down
  cluster operator down
}
trap end_clusters EXIT
cluster test up
cargo test --workspace --no-fail-fast
