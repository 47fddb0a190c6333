//! Runs `m2a dev`: a relay and two agents on this machine without a cluster, and no process left
//! afterwards.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use devtools::eventually::eventually;
use devtools::programs;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::m2a::{failure, m2a, printed_values};

/// It needs a second on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(90);
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// A running `m2a dev` in a new process group, as a terminal starts it.
struct Dev {
    child: Child,
    printed: Value,
}

impl Dev {
    async fn start(home: &Path) -> Self {
        let mut command = m2a(home);
        let command = command.args(["dev", "--output", "json"]).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(START_TIMEOUT, lines.next_line()).await.expect("ready in time");
        let printed = serde_json::from_str(&line.unwrap().expect("it says what it started")).unwrap();
        Self { child, printed }
    }

    fn text(&self, member: &str) -> &str {
        self.printed[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.printed))
    }

    /// The folder that everything is in.
    fn folder(&self) -> PathBuf {
        Path::new(self.text("profiles")).parent().unwrap().to_owned()
    }

    /// Ends it with a signal: to the program, or, with a minus, to all that the terminal started.
    async fn end(mut self, signal: &str, whom: &str) -> Option<i32> {
        let pid = self.child.id().unwrap();
        kill(signal, &format!("{whom}{pid}")).await;
        let ended = tokio::time::timeout(END_TIMEOUT, self.child.wait()).await.expect("it ends in time");
        ended.unwrap().code()
    }
}

async fn kill(signal: &str, whom: &str) {
    let sent = Command::new("kill").args(["-s", signal, "--", whom]).status().await.unwrap();
    assert!(sent.success());
}

/// Processes that have this folder among their arguments.
fn processes_with(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

async fn nothing_is_left(folder: &Path) {
    let gone = async || {
        let left = processes_with(folder);
        ensure!(left.is_empty(), "still running: {left:?}");
        Ok(())
    };
    eventually("every process of m2a dev ends", END_TIMEOUT, gone).await.unwrap();
}

#[tokio::test]
async fn a_person_gets_a_relay_two_agents_and_a_proof() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path()).await;
    assert_eq!((dev.text("question"), dev.text("answer")), ("What is 2+2?", "4"));
    assert_eq!(dev.text("alice"), "did:wba:localhost:agent:demo:alice");
    assert!(dev.printed["readyMs"].as_u64().is_some_and(|ms| ms > 0));

    // Each of the commands that it proposes.
    let profiles = Path::new(dev.text("profiles"));
    let verified =
        printed_values(profiles, &["verify", "--profile", "alice", "--pins", dev.text("proof")]).await;
    let messages = verified[0]["messages"].as_array().unwrap();
    let contents: Vec<_> = messages.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["What is 2+2?", "4"]);
    let asked =
        printed_values(profiles, &["ask", "--profile", "alice", "--to", "bob", "--text", "How are you?"])
            .await;
    assert_eq!(asked[0]["answer"]["content"], "You said: How are you?");

    // Carol is there to act as, beside Bob, who goes on.
    let carol = printed_values(profiles, &["whoami", "--profile", "carol"]).await;
    assert_eq!(carol[0]["did"], "did:wba:localhost:agent:demo:carol");
    let programs = programs::folder().unwrap();
    for (example, answer) in [("request_and_answer", "answered: 4"), ("tasks", "completed: {\"sum\":6}")] {
        let mut command = Command::new(programs.join("examples").join(example));
        command.env_clear().args([profiles.join("alice"), profiles.join("carol")]);
        let run = command.output().await.expect("`cargo build --workspace --examples` has run");
        let printed = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success() && printed.contains(answer), "{example}: {printed}");
    }

    let admin = ["--admin-url", dev.text("adminUrl"), "--admin-token-file", dev.text("adminTokenFile")];
    let agents =
        printed_values(profiles, &[&["relay"][..], &admin, &["agents", "list", "demo"]].concat()).await;
    let online: Vec<_> = agents.iter().map(|agent| (agent["did"].as_str(), &agent["online"])).collect();
    assert_eq!(online[1], (Some(dev.text("bob")), &Value::Bool(true)));

    let folder = dev.folder();
    assert!(!processes_with(&folder).is_empty(), "the relay runs");
    assert_eq!(dev.end("TERM", "").await, Some(0));
    nothing_is_left(&folder).await;
    assert!(!folder.exists(), "a temporary folder is removed");
}

#[tokio::test]
async fn ctrl_c_ends_everything() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path()).await;
    let folder = dev.folder();
    assert_eq!(dev.end("INT", "-").await, Some(0));
    nothing_is_left(&folder).await;
    assert!(!folder.exists(), "a temporary folder is removed");
}

#[tokio::test]
async fn a_stop_while_it_starts_leaves_no_relay_behind() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("kept");
    let mut child = m2a(home.path()).arg("dev").arg("--data-dir").arg(&folder).spawn().unwrap();
    let relay_started = async || {
        ensure!(folder.join("relay").exists(), "no folder of the relay yet");
        Ok(())
    };
    eventually("the relay has begun", START_TIMEOUT, relay_started).await.unwrap();
    kill("TERM", &child.id().unwrap().to_string()).await;
    let ended = tokio::time::timeout(END_TIMEOUT, child.wait()).await.expect("it ends in time");
    assert_eq!(ended.unwrap().code(), Some(0));
    nothing_is_left(&folder).await;
}

#[tokio::test]
async fn a_port_in_use_is_told_by_the_relay_and_by_m2a() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = m2a(home.path()).args(["dev", "-o", "json", "--port", &port]).output().await.unwrap();
    let (code, error) = failure(&refused);
    assert_eq!(code, Some(1));
    assert!(error["attempt"].as_str().unwrap().starts_with("the relay did not start"), "{error}");
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains(&format!("failed to take listen 127.0.0.1:{port}")), "{text}");
}

#[tokio::test]
async fn a_data_folder_that_is_none_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = m2a(home.path());
    let refused = command.args(["dev", "-o", "json", "--data-dir"]).arg(&file).output().await.unwrap();
    let (code, error) = failure(&refused);
    assert_eq!(
        (code, error["attempt"].as_str()),
        (Some(1), Some(&*format!("cannot use {}", file.display())))
    );
}

#[tokio::test]
async fn without_the_relay_program_it_says_where_to_put_it() {
    let home = tempfile::tempdir().unwrap();
    let alone = home.path().join("m2a");
    std::fs::copy(programs::path("m2a").unwrap(), &alone).unwrap();
    let mut command = Command::new(&alone);
    command.env_clear().env("PATH", home.path()).args(["dev", "-o", "json"]);
    let (code, error) = failure(&command.output().await.unwrap());
    assert_eq!((code, error["attempt"].as_str()), (Some(1), Some("cannot start msg2agent-relay")));
    let advice = "put msg2agent-relay next to m2a or into a folder of PATH; \
                  in the repository, run cargo build -p msg2agent-relay";
    assert_eq!(error["advice"].as_str(), Some(advice));
}

#[tokio::test]
async fn wrong_usage_is_told_with_its_exit_code() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, sentence) in [
        (&["dev", "--port", "70000"][..], "invalid value '70000' for '--port <PORT>'"),
        (&["dev", "--data-dir"], "a value is required for '--data-dir <FOLDER>'"),
        (&["dev", "now"], "unexpected argument 'now' found"),
    ] {
        let refused = m2a(home.path()).args(arguments).output().await.unwrap();
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains(sentence), "{text}");
    }
}
