//! When a starting endpoint gets traffic.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Parser as _;
use daemon::Shutdown;
use msg2agent_mcp_server::endpoint::{process, settings::EndpointSettings};
use protocol::Identity;
use protocol::api_key::ApiKey;
use serde_json::{Value, json};

use crate::test_endpoint::write_certificate;

/// A state that does not come within this time never comes.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Nobody listens there, so that the endpoint waits for its relay meanwhile.
const NO_RELAY: &str = "ws://127.0.0.1:9/ws";

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn write_credentials(folder: &Path) {
    let did = "did:wba:localhost%3A9:agent:acme:alice";
    let identity = Identity::generate(did.parse().unwrap(), 1_790_000_000, &mut rand::rng());
    let key = ApiKey::generate(&mut rand::rng());
    for (name, text) in [
        ("url", NO_RELAY),
        ("did", did),
        ("token", key.reveal()),
        ("identity.json", &identity.to_key_file()),
        ("card.json", r#"{"name":"Alice"}"#),
    ] {
        msg2agent::private_file::options()
            .write(true)
            .create_new(true)
            .open(folder.join(name))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .unwrap();
    }
}

/// The check `process` of `/readyz`.
async fn process_check(admin: SocketAddr) -> Option<Value> {
    let answer = reqwest::get(format!("http://{admin}/readyz")).await.ok()?;
    let report: Value = answer.json().await.ok()?;
    report["checks"].as_array()?.iter().find(|check| check["name"] == "process").cloned()
}

async fn until_ready(admin: SocketAddr) {
    let ready = async {
        while process_check(admin).await.is_none_or(|check| check["ok"] == false) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, ready).await.unwrap();
}

/// The certificate comes from a pipe, which holds the start right before the endpoint listens.
#[tokio::test]
async fn an_endpoint_is_not_ready_before_it_listens() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let certificate = write_certificate(&cert, &key);
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (listen, admin) = (free_address(), free_address());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let settings = EndpointSettings::parse_from([
        "msg2agent-mcp-server".to_owned(),
        format!("--dir={}", text(folder.path())),
        "--transport=http".to_owned(),
        format!("--listen={listen}"),
        format!("--admin-listen={admin}"),
        format!("--tls-cert={}", text(&pipe)),
        format!("--tls-key={}", text(&key)),
    ]);
    let shutdown = Shutdown::new();
    let running = tokio::spawn(process::run(settings, shutdown.clone()));

    // It opens when the endpoint begins to read.
    let renamed = pipe.clone();
    let opening = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(pipe));
    let opened = tokio::time::timeout(TEST_TIMEOUT, opening).await.unwrap();
    let mut pipe = opened.unwrap().unwrap();
    assert!(std::net::TcpStream::connect(listen).is_err());
    let starting = json!({"name": "process", "ok": false, "reason": "starting"});
    assert_eq!(process_check(admin).await, Some(starting));

    // The endpoint reads its certificate again later, from the file that has the name then.
    std::fs::rename(&cert, &renamed).unwrap();
    pipe.write_all(certificate.as_bytes()).unwrap();
    drop(pipe);
    until_ready(admin).await;
    std::net::TcpStream::connect(listen).unwrap();
    shutdown.begin();
    running.await.unwrap().unwrap();
}
