//! Calls each tool once through Claude Code, as a model may do it.

use anyhow::{Context as _, ensure};
use msg2agent::task::{Submit, TaskMessage};
use msg2agent::{Agent, Content, Did, MessageType, SendOptions};
use serde_json::{Value, json};

use devtools::claude_code::ClaudeCode;

/// What must be there before: a message and a task from bob, and a task given to bob; by id.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub message: String,
    pub from_bob: String,
    pub to_bob: String,
}

/// Bob writes and gives a task to an agent; the ids of both.
///
/// # Errors
/// The relay takes one of them not.
pub async fn mail_and_task(bob: &Agent, to: &Did) -> anyhow::Result<(String, String)> {
    let message = bob.send(to, Content::text("for Claude")).await?;
    let submit = TaskMessage::Submit(Submit { title: None, input: json!("sum 1 2") });
    let options = SendOptions { r#type: MessageType::Request, ..SendOptions::default() };
    let task = bob.send_with(to, submit.to_content(), options).await?;
    Ok((message.id.to_string(), task.id.to_string()))
}

fn calls(of: &Prepared) -> [(&'static str, Value); 15] {
    let Prepared { message, from_bob, to_bob } = of;
    [
        ("send_message", json!({"to": "bob", "text": "from Claude"})),
        ("list_messages", json!({"unread_only": true})),
        ("read_message", json!({"id": message})),
        ("message_count", json!({})),
        ("delete_message", json!({"id": message})),
        ("submit_task", json!({"to": "bob", "text": "sum 1 2"})),
        ("get_task_status", json!({"id": to_bob})),
        ("list_tasks", json!({"role": "worker"})),
        ("send_task_input", json!({"id": to_bob, "text": "in base ten"})),
        ("cancel_task", json!({"id": to_bob})),
        ("update_task", json!({"id": from_bob, "state": "completed", "json": {"sum": 3}})),
        ("list_agents", json!({})),
        ("query_capabilities", json!({"capabilities": ["plan.create"]})),
        ("get_agent_info", json!({"agent": "bob"})),
        ("get_self_info", json!({})),
    ]
}

/// Calls each tool of the server once.
///
/// # Errors
/// The first one that does not answer as it should.
pub async fn call_every_tool(claude: &ClaudeCode, server: &str, of: &Prepared) -> anyhow::Result<()> {
    for (tool, arguments) in calls(of) {
        let answer = answer(claude, server, tool, arguments).await?;
        ensure!(answer.is_object() && answer.get("error").is_none(), "{tool}: {answer}");
    }
    Ok(())
}

/// The answer of the tool, as the model got it.
///
/// # Errors
/// Claude Code does not call it, or the answer is no JSON.
pub async fn answer(
    claude: &ClaudeCode,
    server: &str,
    tool: &str,
    arguments: Value,
) -> anyhow::Result<Value> {
    let result = claude.call(server, tool, arguments).await?;
    let text = result.get("content").and_then(Value::as_str).context("a result without text")?;
    serde_json::from_str(text).with_context(|| format!("{tool} answered {text}"))
}
