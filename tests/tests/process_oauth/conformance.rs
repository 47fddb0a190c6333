//! Runs the conformance suite for authorization servers: metadata, the code grant, its answer and
//! the token's.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use devtools::eventually::eventually;
use devtools::free_port::free_port;
use msg2agent_tests::mcp_clients::{Conformance, McpClients};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use crate::client::register;
use crate::person::Person;
use crate::site::{INVITATION, RESOURCE, Site};

/// Node starts slowly on a busy machine.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_for_authorization_servers_finds_no_fault() {
    let (clients, site) = (McpClients::installed().await.unwrap(), Site::start(&[], &[]).await);
    site.invite().await;
    let (issuer, port) = (site.issuer(), free_port().unwrap().to_string());
    let client_id = register(&issuer, "conformance", &format!("http://127.0.0.1:{port}/callback")).await;
    let mut suite = clients.conformance_command(Conformance::Newest);
    suite
        .args([
            "authorization",
            "--url",
            &issuer,
            "--client-id",
            &client_id,
            "--resource",
            RESOURCE,
            "--port",
            &port,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut suite = suite.spawn().unwrap();
    let mut lines = BufReader::new(suite.stdout.take().unwrap()).lines();
    let mut said = String::new();
    // The suite waits for its code, and says where a person gets it one.
    let asks = format!("{issuer}/oauth/authorize?");
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with(&asks) {
            // It prints the link before it listens for the answer, and a program is faster than a
            // person.
            eventually("the suite listens", LISTEN_TIMEOUT, async || {
                TcpStream::connect(format!("127.0.0.1:{port}")).await.map(drop).context("connect")
            })
            .await
            .unwrap();
            Person::new(&issuer).allow(&line, INVITATION).await;
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(suite.wait().await.unwrap().success(), "{said}");
    for scenario in ["authorization-server-metadata-endpoint", "authorization-code-grant"] {
        assert!(said.contains(scenario), "{scenario}: {said}");
    }
    assert!(!said.contains("SKIPPED") && !said.contains("WARNING"), "{said}");
}
