//! Two profiles without a relay exchange a message.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::m2a;

/// Makes a profile without a relay, and returns what others must know of it.
fn init(home: &Path, name: &str) -> Value {
    let made = m2a(home).args(["init", "-o", "json", "--profile", name, "--name", name]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let printed: Value = serde_json::from_slice(&made.stdout).unwrap();
    json!({"did": printed["did"], "rootKey": printed["rootKey"]})
}

fn write_peer(home: &Path, profile: &str, peer: &Value) {
    let path = home.join(profile).join("peers.json");
    fs::write(path, json!({ "peers": [peer] }).to_string()).unwrap();
}

#[test]
fn two_laptops_without_a_relay_send_a_message_directly_and_say_so() {
    let home = tempfile::tempdir().unwrap();
    let (alice, mut bob) = (init(home.path(), "alice"), init(home.path(), "bob"));
    write_peer(home.path(), "bob", &alice);
    let mut listening = m2a(home.path())
        .args(["listen", "--profile", "bob", "--direct", "127.0.0.1:0", "--count", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let remarks = BufReader::new(listening.stderr.take().unwrap()).lines();
    let mut addresses =
        remarks.map_while(Result::ok).filter_map(|line| line.strip_prefix("directly at ").map(str::to_owned));
    bob["endpoints"] = json!([addresses.next().unwrap()]);
    write_peer(home.path(), "alice", &bob);

    let mut send = m2a(home.path());
    send.args([
        "send",
        "-o",
        "json",
        "--profile",
        "alice",
        "--to",
        "bob",
        "--path",
        "direct",
        "--text",
        "hello",
    ]);
    let sent = send.output().unwrap();
    assert!(sent.status.success(), "{sent:?}");
    let printed: Value = serde_json::from_slice(&sent.stdout).unwrap();
    assert_eq!((&printed["status"], &printed["path"]), (&json!("delivered"), &json!("direct")));
    let heard = listening.wait_with_output().unwrap();
    assert!(heard.status.success() && String::from_utf8_lossy(&heard.stdout).contains("hello"), "{heard:?}");
}
