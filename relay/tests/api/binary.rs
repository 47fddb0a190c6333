//! Tests of the binary: settings, error texts, start and exit.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::harness::TEST_TIMEOUT;

fn relay(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msg2agent-relay"));
    command.env_clear().env("HOME", home).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(change: impl FnOnce(&mut Command)) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = relay(home.path());
    change(&mut command);
    tokio::time::timeout(TEST_TIMEOUT, command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_refused_start_names_the_setting() {
    for (variable, value, part) in [
        ("MSG2AGENT_RELAY_LISTN", "127.0.0.1:1", "MSG2AGENT_RELAY_LISTN is not a setting"),
        ("MSG2AGENT_RELAY_LISTEN", "nowhere", "--listen"),
        ("MSG2AGENT_RELAY_LISTEN", "0.0.0.0:0", "insecure_plaintext"),
        ("MSG2AGENT_RELAY_LIMIT_AGENTS", "many", "--limit-agents"),
        ("MSG2AGENT_RELAY_DOMAIN", "10.0.0.1", "--domain"),
        ("MSG2AGENT_RELAY_CONFIG", "/nonexistent/relay.toml", "/nonexistent/relay.toml"),
        ("MSG2AGENT_RELAY_LOG_FILTER", "relay=loud", "relay=loud"),
    ] {
        let output = run(|command| {
            command.env(variable, value);
        })
        .await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{variable}={value}");
        assert!(said.contains(part), "{variable}={value}: {said}");
    }
}

#[tokio::test]
async fn the_printed_settings_hold_no_secrets_and_are_a_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, "drain_timeout_seconds = 7\nlog_filter = \"warn\"\n[limits]\nagents = 5\n")
        .unwrap();
    let output = run(|command| {
        command.arg("--print-config").arg("--config").arg(&file);
        command.env("MSG2AGENT_RELAY_OTLP_ENDPOINT", "http://user:hunter2@collector:4318?token=hunter2");
        command.env("MSG2AGENT_RELAY_LOG_FILTER", "debug");
    })
    .await;
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(!printed.contains("hunter2"), "{printed}");
    for part in ["log_filter = \"debug\"", "drain_timeout_seconds = 7", "agents = 5", "http://collector:4318"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    std::fs::write(&file, &printed).unwrap();
    let again = run(|command| {
        command.arg("--print-config").arg("--config").arg(&file);
    })
    .await;
    assert_eq!(String::from_utf8(again.stdout).unwrap(), printed);
}

#[tokio::test]
async fn without_configuration_the_relay_prints_its_addresses_and_exits_at_sigterm() {
    let home = tempfile::tempdir().unwrap();
    let mut command = relay(home.path());
    // Free ports, because the default ports may be in use.
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let agents = lines.next_line().await.unwrap().unwrap();
    let admin = lines.next_line().await.unwrap().unwrap();
    assert!(agents.starts_with("agents connect to ws://localhost:"), "{agents}");
    assert!(admin.starts_with("admin API on http://127.0.0.1:"), "{admin}");

    let data = home.path().join(".local/share/msg2agent/relay");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&data).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap();
    assert_eq!(token.len(), 43);

    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let output = tokio::time::timeout(TEST_TIMEOUT, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("shutting down") && !log.contains(&token), "{log}");
}
