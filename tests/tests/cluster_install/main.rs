//! The charts on a real cluster of their own: installed, upgraded, removed and installed again, by Helm 4 and by Helm 3.
//!
//! A cluster of its own because a chart owns things there is one of in a cluster. It is started in `target/install-cluster`
//! and ended when the tests pass; after a failure it stays for a look (`cluster --folder target/install-cluster down`).

mod helm;
mod objects;
mod rights;
mod story;
mod target;
