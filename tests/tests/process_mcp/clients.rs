//! Runs other people's clients against the shipped binary: the Inspector in its three eras, the
//! Python client in its three modes.

use devtools::repository;
use msg2agent_tests::mcp_clients::McpClients;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn the_inspector_finds_no_fault_in_the_tools_in_any_era() {
    let (clients, endpoint) = (McpClients::installed().await.unwrap(), Endpoint::start_in_plaintext().await);
    let proxy = Proxy::with_key(&endpoint.base(), endpoint.key.reveal()).await;
    let home = tempfile::tempdir().unwrap();
    for era in ["legacy", "auto", "modern"] {
        let arguments = [
            proxy.url(),
            "--transport".into(),
            "http".into(),
            "--method".into(),
            "tools/list".into(),
            "--strict".into(),
            "--protocol-era".into(),
            era.into(),
        ];
        let said = clients.inspector(home.path(), &arguments).await.unwrap();
        assert!(said.success, "{era}: {}", said.output);
        for tool in ["send_message", "submit_task", "update_task", "query_capabilities"] {
            assert!(said.output.contains(tool), "{era}: {}", said.output);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_works_in_each_of_its_modes() {
    let (clients, endpoint) = (McpClients::installed().await.unwrap(), Endpoint::start_in_plaintext().await);
    let script = repository().join("tests/mcp-clients/calls.py");
    for mode in ["legacy", "auto", "2026-07-28"] {
        let url = format!("{}/mcp", endpoint.base());
        let said = clients.python(&script, &[&url, mode], endpoint.key.reveal()).await.unwrap();
        assert!(said.success, "{mode}: {}", said.output);
        let last = said.output.lines().find(|line| line.starts_with('{')).unwrap();
        let saw: Value = serde_json::from_str(last).unwrap();
        assert_eq!(saw["tools"].as_array().unwrap().len(), 15, "{mode}: {saw}");
        assert!(saw["status"] == "stored" || saw["status"] == "delivered", "{mode}: {saw}");
        assert_eq!((&saw["refused"], &saw["inbox"]["unread"]), (&json!(true), &json!(0)), "{mode}: {saw}");
        let arrived = endpoint.bob.inbox().next().await.unwrap();
        assert_eq!(arrived.text(), Some(format!("from Python, {mode}").as_str()));
        arrived.ack().await.unwrap();
    }
}
