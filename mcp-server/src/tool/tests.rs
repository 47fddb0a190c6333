//! The tools, each against a network that answers as told.

use serde_json::{Value, json};

use super::*;
use crate::sample::Scripted;

/// Rewrite the golden file with `UPDATE_GOLDEN=1 cargo test`, and read the difference as a client would.
#[test]
fn the_tools_are_listed_as_clients_know_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tools.json");
    let listed = serde_json::to_string_pretty(&Toolbox::list()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &listed).unwrap();
    }
    assert_eq!(listed, std::fs::read_to_string(path).unwrap());
}

/// What the directory of connectors asks of every tool, and what old clients need.
#[test]
fn every_tool_has_title_hints_and_object_schemas_without_references() {
    for tool in Toolbox::list() {
        let tool = serde_json::to_value(tool).unwrap();
        assert!(!tool["title"].as_str().unwrap().is_empty());
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{hint} of {}", tool["name"]);
        }
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{schema} of {}", tool["name"]);
            assert!(tool[schema]["properties"].is_object(), "{schema} of {}", tool["name"]);
            assert!(!tool[schema].to_string().contains("$ref"), "{schema} of {}", tool["name"]);
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{}", tool["name"]);
    }
}

#[tokio::test]
async fn every_listed_tool_can_be_called() {
    for tool in Toolbox::list() {
        assert!(
            Scripted::default().toolbox.call(&tool.name, JsonObject::new()).await.is_ok(),
            "{}",
            tool.name
        );
    }
    let unknown = Scripted::default().toolbox.call("delete_everything", JsonObject::new()).await;
    assert_eq!(unknown.unwrap_err(), UnknownTool);
}

#[tokio::test]
async fn structured_answers_are_repeated_as_text_for_old_clients() {
    let result = Scripted::default().toolbox.call("get_self_info", JsonObject::new()).await.unwrap();
    let result = serde_json::to_value(result).unwrap();
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, result["structuredContent"]);
    assert_eq!(result["isError"], json!(false));
}
