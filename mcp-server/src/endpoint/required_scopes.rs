//! Determines the scopes that a request requires, from its body. Pure. A body that cannot be parsed
//! requires none, because MCP rejects it.

use serde_json::Value;

use crate::resource::ResourceUri;
use crate::scope::Scope;
use crate::tool::Toolbox;

/// Messages of one body that are examined; no revision of the protocol sends as many.
const BATCH_MAX: usize = 64;

/// The scopes that the messages of a body require, each once. `None`: there are too many messages.
#[must_use]
pub fn required_scopes(body: &[u8]) -> Option<Vec<Scope>> {
    let messages = match serde_json::from_slice(body) {
        Ok(Value::Array(batch)) => batch,
        Ok(message) => vec![message],
        Err(_) => Vec::new(),
    };
    if messages.len() > BATCH_MAX {
        return None;
    }
    let required: Vec<Scope> = messages.iter().flat_map(scopes_of_message).collect();
    Some(Scope::ALL.into_iter().filter(|scope| required.contains(scope)).collect())
}

fn scopes_of_message(message: &Value) -> Vec<Scope> {
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    match text("/method").unwrap_or_default() {
        "tools/call" => text("/params/name").and_then(Toolbox::scope).into_iter().collect(),
        "resources/read" | "resources/subscribe" => scope_of_uri(text("/params/uri")).into_iter().collect(),
        "subscriptions/listen" => {
            let uris = message.pointer("/params/notifications/resourceSubscriptions");
            let uris = uris.and_then(Value::as_array).into_iter().flatten();
            uris.filter_map(|uri| scope_of_uri(uri.as_str())).collect()
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => vec![Scope::Tasks],
        _ => Vec::new(),
    }
}

fn scope_of_uri(uri: Option<&str>) -> Option<Scope> {
    uri.and_then(ResourceUri::parse).map(|uri| uri.scope())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn needs(body: Value) -> Vec<Scope> {
        required_scopes(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_call_needs_what_its_tool_needs() {
        let call =
            |name: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}});
        assert_eq!(needs(call("read_message")), [Scope::Read]);
        assert_eq!(needs(call("delete_message")), [Scope::Send]);
        assert_eq!(needs(call("update_task")), [Scope::Tasks]);
        assert_eq!(needs(call("run_shell")), []);
        assert_eq!(needs(json!([call("send_message"), call("list_tasks")])), [Scope::Send, Scope::Tasks]);
    }

    #[test]
    fn a_resource_needs_what_its_kind_needs() {
        let read = |uri: &str| json!({"method": "resources/read", "params": {"uri": uri}});
        assert_eq!(needs(read("msg2agent://inbox")), [Scope::Read]);
        assert_eq!(needs(read("msg2agent://tasks/01a1c8e0-1c00-7707-8707-070707070707")), [Scope::Tasks]);
        let listen = json!({"method": "subscriptions/listen", "params": {"notifications":
            {"resourceSubscriptions": ["msg2agent://tasks", "msg2agent://inbox"]}}});
        assert_eq!(needs(listen), [Scope::Read, Scope::Tasks]);
    }

    #[test]
    fn what_cannot_be_read_needs_nothing_and_a_flood_is_refused() {
        assert_eq!(required_scopes(b"{"), Some(vec![]));
        assert_eq!(needs(json!({"method": "initialize"})), []);
        assert_eq!(required_scopes(json!(vec![json!({}); 65]).to_string().as_bytes()), None);
    }
}
