//! Installs, upgrades, removes and reinstalls the charts on a real cluster, with Helm 4 and with
//! Helm 3.
//!
//! The suite has its own cluster, because a chart owns objects that exist once in a cluster. It is
//! started in `target/install-cluster` and ended when the tests pass; after a failure it stays for
//! a look (`cluster --folder target/install-cluster down`).

mod helm;
mod lifecycle;
mod objects;
mod rights;
mod target;
