//! Runs the SDK's example programs against a real relay and checks what they print.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use devtools::programs;
use devtools::relay_process::RelayProcess;
use tokio::process::Command;

use crate::agents::{TENANT, declare, relay};

/// How long one program may run. It needs a second on an idle machine.
const EXAMPLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A relay with the settings of alice and bob in two folders.
struct Site {
    _relay: RelayProcess,
    home: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let relay = relay().await;
        let home = tempfile::tempdir().unwrap();
        for name in ["alice", "bob"] {
            declare(&relay, TENANT, name).await.write_profile(&relay, &home.path().join(name));
        }
        Self { _relay: relay, home }
    }

    fn folder(&self, agent: &str) -> PathBuf {
        self.home.path().join(agent)
    }

    fn did(&self, agent: &str) -> String {
        std::fs::read_to_string(self.folder(agent).join("did")).unwrap()
    }

    /// Registers an agent once, so that others can seal messages for it. It is offline afterwards.
    async fn register(&self, agent: &str) {
        let config = msg2agent::Config::from_dir(self.folder(agent)).unwrap();
        msg2agent::Agent::connect(config).await.unwrap().close().await;
    }

    /// What an example prints. Its settings are those of `agent`.
    async fn run(&self, example: &str, agent: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(path(example)?);
        command.env_clear().env("MSG2AGENT_DIR", self.folder(agent)).args(arguments);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(EXAMPLE_TIMEOUT, output).await.context("run the example")??;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What an example prints that takes the folders of both agents.
    async fn run_with_both(&self, example: &str) -> anyhow::Result<String> {
        let (alice, bob) = (self.folder("alice"), self.folder("bob"));
        self.run(example, "alice", &[text(&alice), text(&bob)]).await
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn path(example: &str) -> anyhow::Result<PathBuf> {
    let path = programs::folder()?.join("examples").join(example);
    ensure!(path.is_file(), "{example} is not built: run `cargo build --workspace --examples` first");
    Ok(path)
}

#[tokio::test]
async fn a_message_that_one_example_sends_is_received_by_another() {
    let site = Site::start().await;
    site.register("bob").await;
    let sent = site.run("connect_and_send", "alice", &[&site.did("bob"), "hi"]).await.unwrap();
    assert!(sent.ends_with(&format!("is stored until {} is online\n", site.did("bob"))), "{sent}");
    let received = site.run("receive_and_acknowledge", "bob", &["1"]).await.unwrap();
    assert_eq!(received, format!("{} wrote: hi\n", site.did("alice")));

    // The first message is acknowledged, so that the next one comes alone.
    site.run("connect_and_send", "alice", &[&site.did("bob"), "hi again"]).await.unwrap();
    let received = site.run("receive_and_acknowledge", "bob", &["1"]).await.unwrap();
    assert_eq!(received, format!("{} wrote: hi again\n", site.did("alice")));
}

#[tokio::test]
async fn the_example_of_a_request_gets_its_answer() {
    let site = Site::start().await;
    let printed = site.run_with_both("request_and_answer").await.unwrap();
    assert_eq!(printed, format!("{} answered: 4\n", site.did("bob")));
}

#[tokio::test]
async fn the_example_of_a_task_follows_it_to_its_end() {
    let site = Site::start().await;
    let printed = site.run_with_both("tasks").await.unwrap();
    let produced = r#"[{"json":1},{"json":3},{"json":6}]"#;
    assert_eq!(printed, format!("working: null\nproduced {produced}\ncompleted: {{\"sum\":6}}\n"));
}

#[tokio::test]
async fn the_example_of_a_proof_verifies_it_and_refuses_a_changed_one() {
    let site = Site::start().await;
    site.register("bob").await;
    let (alice, bob) = (site.did("alice"), site.did("bob"));
    let printed = site.run("prove_and_verify", "alice", &[&bob, "I owe you 5 euros"]).await.unwrap();
    let expected = format!("{alice} wrote to {bob}: I owe you 5 euros\na changed proof does not verify\n");
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn every_example_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/examples");
    let tests = include_str!("examples.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(tests.contains(&format!("\"{name}\"")), "no test runs {name}");
    }
}
