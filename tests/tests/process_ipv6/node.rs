//! A network namespace for one test, which stands for a node of an IPv6-only cluster.

use devtools::command::run;
use msg2agent_tests::own_namespaces;

/// The namespace that this process is in. It ends with the process.
pub(crate) struct Node(());

impl Node {
    /// Runs the test with this full name again in a namespace without any IPv4 address. Outside it
    /// returns `None` when that run has passed.
    pub(crate) fn enter(test: &str) -> Option<Self> {
        if !own_namespaces::enter(test, &["--net"]).unwrap() {
            return None;
        }
        run("ip", ["link", "set", "lo", "up"]).unwrap();
        run("ip", ["-4", "address", "flush", "dev", "lo"]).unwrap();
        Some(Self(()))
    }
}
