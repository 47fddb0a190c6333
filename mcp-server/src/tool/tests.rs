//! The tools, each on a network with scripted answers.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::{Toolbox, UnknownTool};
use crate::fixtures::ToolboxFixture;
use crate::scope::Scope;

mod tasks;

/// `make gen` rewrites the golden file. Read the difference as a client would.
#[test]
fn the_tools_are_listed_as_clients_know_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tools.json");
    let listed = serde_json::to_string_pretty(&Toolbox::list()).unwrap() + "\n";
    if std::env::var_os("MSG2AGENT_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &listed).unwrap();
    }
    assert_eq!(listed, std::fs::read_to_string(path).unwrap());
}

/// The requirements of the directory of connectors, and of old clients.
#[test]
fn every_tool_has_title_hints_and_object_schemas_without_references() {
    for tool in Toolbox::list() {
        let tool = serde_json::to_value(tool).unwrap();
        assert!(!tool["title"].as_str().unwrap().is_empty());
        assert_eq!(tool["title"], tool["annotations"]["title"]);
        let name = tool["name"].as_str().unwrap();
        assert!(name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert!(Toolbox::scope(name).is_some(), "{name}");
        let description = tool["description"].as_str().unwrap();
        assert!((40..=400).contains(&description.len()), "{name} has {} bytes", description.len());
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {}", tool["name"]);
        }
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{schema} of {}", tool["name"]);
            assert!(tool[schema]["properties"].is_object(), "{schema} of {}", tool["name"]);
            assert!(!tool[schema].to_string().contains("$ref"), "{schema} of {}", tool["name"]);
            assert!(!tool[schema].to_string().contains("null"), "{schema} of {}", tool["name"]);
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{}", tool["name"]);
    }
}

/// Only tools that read are read-only, and only tools that delete or end something are destructive.
#[test]
fn hints_say_what_each_tool_does() {
    let looks = [
        "list_messages",
        "message_count",
        "get_task_status",
        "list_tasks",
        "list_agents",
        "query_capabilities",
        "get_agent_info",
        "get_self_info",
    ];
    let destroys = ["delete_message", "cancel_task"];
    let repeatable = [&looks[..], &destroys[..], &["read_message"]].concat();
    let outside = [
        "send_message",
        "submit_task",
        "send_task_input",
        "cancel_task",
        "update_task",
        "list_agents",
        "query_capabilities",
        "get_agent_info",
    ];
    for tool in Toolbox::list() {
        let (name, hints) = (tool.name.as_ref(), tool.annotations.unwrap());
        assert_eq!(hints.read_only_hint, Some(looks.contains(&name)), "{name}");
        assert_eq!(hints.destructive_hint, Some(destroys.contains(&name)), "{name}");
        assert_eq!(hints.idempotent_hint, Some(repeatable.contains(&name)), "{name}");
        assert_eq!(hints.open_world_hint, Some(outside.contains(&name)), "{name}");
    }
}

#[test]
fn read_only_tools_do_not_need_the_send_scope() {
    for tool in Toolbox::list() {
        let scope = Toolbox::scope(&tool.name).unwrap();
        if tool.annotations.unwrap().read_only_hint == Some(true) {
            assert_ne!(scope, Scope::Send, "{}", tool.name);
        }
    }
    assert_eq!(Toolbox::scope("delete_message"), Some(Scope::Send));
    assert_eq!(Toolbox::scope("run_shell"), None);
}

#[tokio::test]
async fn every_listed_tool_can_be_called() {
    for tool in Toolbox::list() {
        let called = ToolboxFixture::new().await.toolbox.call(&tool.name, JsonObject::new()).await;
        assert!(called.is_ok(), "{}", tool.name);
    }
    let unknown = ToolboxFixture::new().await.toolbox.call("delete_everything", JsonObject::new()).await;
    assert_eq!(unknown.unwrap_err(), UnknownTool);
}

#[tokio::test]
async fn structured_answers_are_repeated_as_text_for_old_clients() {
    let result = ToolboxFixture::new().await.toolbox.call("get_self_info", JsonObject::new()).await.unwrap();
    let result = serde_json::to_value(result).unwrap();
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, result["structuredContent"]);
    assert_eq!(result["isError"], json!(false));
}
