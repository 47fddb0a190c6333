#!/usr/bin/env bash
# Everything: builds all programs, starts a cluster for the suites that need one, runs all tests, ends the cluster.
# A cluster of your own: set KUBECONFIG, and MSG2AGENT_KUBE_CONTEXT where it is not the current context.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/need.sh cluster
cargo build --workspace --bins
cluster=(cargo run -q -p msg2agent-tests --bin cluster -- --folder target/test-cluster)
trap '"${cluster[@]}" down' EXIT
"${cluster[@]}" up
cargo test --workspace --no-fail-fast
