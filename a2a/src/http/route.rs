//! Finds what a request is for from its method and path. It touches nothing.
//!
//! An agent's name is the first segment. A slash at the end makes no difference.

use axum::http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::error::{A2aError, ErrorKind};
use crate::operation::OperationName;

/// The path of the interface of version 0.3 below an agent's URL.
pub(crate) const LEGACY_SEGMENT: &str = "v0.3";

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The agents that discovery shows.
    Listing,
    /// The public key of the cards' signatures.
    Keys,
    Card {
        agent: String,
        interface: Interface,
    },
    JsonRpc {
        agent: String,
        interface: Interface,
    },
    /// An operation of HTTP+JSON, with the fields of its request that are in the path.
    Rest {
        agent: String,
        operation: OperationName,
        fields: Map<String, Value>,
    },
}

/// Which of an agent's URLs it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    /// The agent's own: version 1.0, and 0.3 where a request says so or says nothing.
    Current,
    /// The one of version 0.3 only.
    Legacy,
}

impl Route {
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, A2aError> {
        let segments: Option<Vec<_>> = path.trim_matches('/').split('/').map(decode).collect();
        let segments = segments.ok_or_else(no_such_path)?;
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [".well-known", "agent-cards.json"] => get(method, Self::Listing),
            [".well-known", "jwks.json"] => get(method, Self::Keys),
            ["" | ".well-known", ..] => Err(no_such_path()),
            [agent, rest @ ..] => below_agent(method, agent, rest),
            [] => Err(no_such_path()),
        }
    }
}

fn below_agent(method: &Method, agent: &str, rest: &[&str]) -> Result<Route, A2aError> {
    let agent = agent.to_owned();
    match rest {
        [] => post(method, Route::JsonRpc { agent, interface: Interface::Current }),
        [segment] if *segment == LEGACY_SEGMENT => {
            post(method, Route::JsonRpc { agent, interface: Interface::Legacy })
        }
        [".well-known", "agent-card.json"] => {
            get(method, Route::Card { agent, interface: Interface::Current })
        }
        [segment, ".well-known", "agent-card.json"] if *segment == LEGACY_SEGMENT => {
            get(method, Route::Card { agent, interface: Interface::Legacy })
        }
        _ => rest_operation(method, rest).map(|(operation, fields)| Route::Rest { agent, operation, fields }),
    }
}

/// An operation with the fields of its request that are in the path.
type PathOperation = (OperationName, Map<String, Value>);

fn rest_operation(method: &Method, rest: &[&str]) -> Result<PathOperation, A2aError> {
    use OperationName as Name;
    let (name, fields, allowed): (_, &[(&str, &str)], &[Method]) = match rest {
        ["message:send"] => (Name::SendMessage, &[], &[Method::POST]),
        ["message:stream"] => (Name::SendStreamingMessage, &[], &[Method::POST]),
        ["extendedAgentCard"] => (Name::GetExtendedAgentCard, &[], &[Method::GET]),
        ["tasks"] => (Name::ListTasks, &[], &[Method::GET]),
        ["tasks", id] => match id.rsplit_once(':') {
            Some((id, "cancel")) => {
                return with_fields(method, Name::CancelTask, &[("id", id)], &[Method::POST]);
            }
            // The text of the specification says POST and its proto file GET.
            Some((id, "subscribe")) => {
                return with_fields(
                    method,
                    Name::SubscribeToTask,
                    &[("id", id)],
                    &[Method::POST, Method::GET],
                );
            }
            _ => return with_fields(method, Name::GetTask, &[("id", id)], &[Method::GET]),
        },
        ["tasks", task, "pushNotificationConfigs"] => {
            let name = if method == Method::POST { Name::CreatePushConfig } else { Name::ListPushConfigs };
            return with_fields(method, name, &[("taskId", task)], &[Method::GET, Method::POST]);
        }
        ["tasks", task, "pushNotificationConfigs", id] => {
            let name = if method == Method::DELETE { Name::DeletePushConfig } else { Name::GetPushConfig };
            let fields = [("taskId", *task), ("id", *id)];
            return with_fields(method, name, &fields, &[Method::GET, Method::DELETE]);
        }
        _ => return Err(no_such_path()),
    };
    with_fields(method, name, fields, allowed)
}

fn with_fields(
    method: &Method,
    name: OperationName,
    fields: &[(&str, &str)],
    allowed: &[Method],
) -> Result<PathOperation, A2aError> {
    if !allowed.contains(method) {
        return Err(not_allowed(allowed));
    }
    let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), Value::from(*value)));
    Ok((name, fields.collect()))
}

fn get(method: &Method, route: Route) -> Result<Route, A2aError> {
    if [Method::GET, Method::HEAD].contains(method) { Ok(route) } else { Err(not_allowed(&[Method::GET])) }
}

fn post(method: &Method, route: Route) -> Result<Route, A2aError> {
    if method == Method::POST { Ok(route) } else { Err(not_allowed(&[Method::POST])) }
}

fn not_allowed(allowed: &[Method]) -> A2aError {
    let allowed: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    A2aError::new(ErrorKind::HttpMethodNotAllowed, format!("this path needs the method {allowed}"))
        .with_metadata("allow", allowed)
}

fn no_such_path() -> A2aError {
    A2aError::new(ErrorKind::MethodNotFound, "there is no such path")
}

fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(method: &Method, path: &str) -> (OperationName, Value) {
        match Route::parse(method, path).unwrap() {
            Route::Rest { agent, operation, fields } => {
                assert_eq!(agent, "bob");
                (operation, Value::Object(fields))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_path_of_section_11_3_is_an_operation_with_and_without_a_slash_at_its_end() {
        use OperationName as Name;
        let (none, task) = (serde_json::json!({}), serde_json::json!({"id": "t 1"}));
        let of_task = serde_json::json!({"taskId": "t 1"});
        let config = serde_json::json!({"taskId": "t 1", "id": "c"});
        for (method, path, name, fields) in [
            (Method::POST, "message:send", Name::SendMessage, &none),
            (Method::POST, "message:stream", Name::SendStreamingMessage, &none),
            (Method::GET, "tasks", Name::ListTasks, &none),
            (Method::GET, "tasks/t%201", Name::GetTask, &task),
            (Method::POST, "tasks/t%201:cancel", Name::CancelTask, &task),
            (Method::POST, "tasks/t%201:subscribe", Name::SubscribeToTask, &task),
            (Method::GET, "tasks/t%201:subscribe", Name::SubscribeToTask, &task),
            (Method::POST, "tasks/t%201/pushNotificationConfigs", Name::CreatePushConfig, &of_task),
            (Method::GET, "tasks/t%201/pushNotificationConfigs", Name::ListPushConfigs, &of_task),
            (Method::GET, "tasks/t%201/pushNotificationConfigs/c", Name::GetPushConfig, &config),
            (Method::DELETE, "tasks/t%201/pushNotificationConfigs/c", Name::DeletePushConfig, &config),
            (Method::GET, "extendedAgentCard", Name::GetExtendedAgentCard, &none),
        ] {
            for end in ["", "/"] {
                let found = rest(&method, &format!("/bob/{path}{end}"));
                assert_eq!(found, (name, fields.clone()), "{method} {path}{end}");
            }
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones_and_a_wrong_path_is_unknown() {
        let error = Route::parse(&Method::PUT, "/bob/tasks/1:subscribe").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HttpMethodNotAllowed);
        assert_eq!(error.metadata().get("allow").map(String::as_str), Some("POST, GET"));
        for path in ["/", "/bob/v1/tasks", "/bob/tasks/1/2", "/.well-known/x", "/%ff", "/bob/message:other"] {
            let error = Route::parse(&Method::GET, path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MethodNotFound, "{path}");
        }
    }

    #[test]
    fn cards_listing_keys_and_json_rpc_have_their_paths() {
        let agent = || "bob".to_owned();
        for (method, path, route) in [
            (Method::POST, "/bob", Route::JsonRpc { agent: agent(), interface: Interface::Current }),
            (Method::POST, "/bob/", Route::JsonRpc { agent: agent(), interface: Interface::Current }),
            (Method::POST, "/bob/v0.3/", Route::JsonRpc { agent: agent(), interface: Interface::Legacy }),
            (
                Method::GET,
                "/bob/.well-known/agent-card.json",
                Route::Card { agent: agent(), interface: Interface::Current },
            ),
            (
                Method::HEAD,
                "/bob/v0.3/.well-known/agent-card.json",
                Route::Card { agent: agent(), interface: Interface::Legacy },
            ),
            (Method::GET, "/.well-known/agent-cards.json", Route::Listing),
            (Method::GET, "/.well-known/jwks.json", Route::Keys),
        ] {
            assert_eq!(Route::parse(&method, path).unwrap(), route, "{method} {path}");
        }
    }
}
