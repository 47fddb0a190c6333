//! A network namespace for one test, which stands for a node of an IPv6-only cluster.

use std::process::Command;

use devtools::command::run;

/// Set in the namespace, where the test runs a second time.
const INSIDE: &str = "MSG2AGENT_TEST_IN_IPV6_NAMESPACE";

/// The namespace that this process is in. It ends with the process.
pub(crate) struct Node(());

impl Node {
    /// Runs the test with this full name again in a namespace without any IPv4 address. Outside it
    /// returns `None` when that run has passed.
    pub(crate) fn enter(test: &str) -> Option<Self> {
        if std::env::var_os(INSIDE).is_some() {
            run("ip", ["link", "set", "lo", "up"]).unwrap();
            run("ip", ["-4", "address", "flush", "dev", "lo"]).unwrap();
            return Some(Self(()));
        }
        let mut command = Command::new("unshare");
        command.args(["--net", "--fork", "--kill-child"]);
        if !devtools::cluster::is_root() {
            command.arg("--map-root-user");
        }
        command.arg("--").arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
        let output = command.env(INSIDE, "1").output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(
            output.status.success() && said[0].contains("test result: ok. 1 passed"),
            "{}",
            said.concat()
        );
        None
    }
}
