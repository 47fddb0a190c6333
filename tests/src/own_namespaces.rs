//! Runs a test in kernel namespaces of its own: what it mounts or configures there ends with it.

use std::process::Command;

use anyhow::ensure;

/// Set in the namespaces, where the test runs a second time.
const INSIDE: &str = "MSG2AGENT_TEST_IN_NAMESPACES";

/// True in the namespaces. Outside, it runs the test with this full name again in new ones
/// (arguments of `unshare`), prints what that run says, and returns false when it has passed.
///
/// # Errors
/// The run has failed, or the kernel gives this user no namespaces.
pub fn enter(test: &str, namespaces: &[&str]) -> anyhow::Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["--fork", "--kill-child"]);
    if !devtools::cluster::is_root() {
        command.arg("--map-root-user");
    }
    command.arg("--").arg(std::env::current_exe()?).args(["--exact", test, "--nocapture"]);
    let output = command.env(INSIDE, "1").output()?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let passed = output.status.success() && said.first().is_some_and(|text| text.contains("ok. 1 passed"));
    ensure!(passed, "{}", said.concat());
    println!("{}", said.concat());
    Ok(false)
}
