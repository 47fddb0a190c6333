//! Answers every request of a gateway: finds what it is for, who calls, and gives the answer in the
//! form of its binding.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Map, Value};

use super::bindings::Bindings;
use super::body::{self, A2A_JSON};
use super::call_slots::{CallSlot, CallSlots, SlotKind};
use super::error_body::rest_error;
use super::extensions::{EXTENSIONS_HEADER, negotiate};
use super::jsonrpc::{self, RpcRequest};
use super::route::{Interface, Route};
use super::version::{ProtocolVersion, not_supported};
use super::{dispatch, publication, reply, rest, sse};
use crate::caller::{Caller, CallerRejection};
use crate::error::A2aError;
use crate::operation::{Operation, OperationName, OperationResult};
use crate::service::Call;

struct Served {
    bindings: Bindings,
    slots: CallSlots,
}

/// What an operation gave, with what the response says about it.
struct Performed {
    result: OperationResult,
    slot: CallSlot,
    extensions: Vec<String>,
}

/// The routes of the gateway. They may be nested below a path.
pub fn router(bindings: Bindings) -> axum::Router {
    let served = Arc::new(Served { bindings, slots: CallSlots::default() });
    axum::Router::new().fallback(handle).with_state(served)
}

async fn handle(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let route = match Route::parse(&parts.method, parts.uri.path()) {
        Ok(route) => route,
        Err(error) => return reply::closing(reply::rest_failure(&parts.headers, &error)),
    };
    let bindings = &served.bindings;
    let document = match route {
        Route::JsonRpc { agent, interface } => return served.jsonrpc(&parts, body, agent, interface).await,
        Route::Rest { agent, operation, fields } => {
            return served.rest(&parts, body, agent, operation, fields).await;
        }
        Route::Card { agent, interface } => {
            publication::card(bindings, &parts.headers, &agent, interface).await
        }
        Route::Listing => publication::listing(bindings, &parts.headers, query(&parts)).await,
        Route::Keys => Ok(publication::keys(bindings, &parts.headers)),
    };
    document.unwrap_or_else(|error| {
        log(&error);
        reply::rest_failure(&parts.headers, &error)
    })
}

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

impl Served {
    async fn jsonrpc(&self, parts: &Parts, body: Body, agent: String, interface: Interface) -> Response {
        let fail = |id: &Value, error: &A2aError| {
            log(error);
            reply::rpc_failure(id, error)
        };
        let caller = match self.bindings.callers.check(&parts.headers, &agent).await {
            Ok(caller) => caller,
            Err(CallerRejection { error, challenge }) => {
                let response = fail(&Value::Null, &error);
                return reply::closing(reply::with_challenge(response, challenge.as_deref()));
            }
        };
        let checked = body::check_media_type(&parts.headers, &["application/json"]);
        let bytes = match checked {
            Ok(()) => body::read(&parts.headers, body).await,
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return reply::closing(fail(&Value::Null, &error)),
        };
        let request = match RpcRequest::parse(&bytes) {
            Ok(request) => request,
            Err(refused) => return fail(&refused.0, &refused.1),
        };
        let id = request.id.clone();
        let performed = async {
            let version = ProtocolVersion::of(&parts.headers, query(parts), interface)?;
            let operation = request.operation(version, interface)?;
            Ok((version, self.perform(&parts.headers, caller, agent, operation).await?))
        };
        match performed.await {
            Ok((version, performed)) => self.rpc_response(version, id, performed),
            Err(error) => fail(&id, &error),
        }
    }

    fn rpc_response(&self, version: ProtocolVersion, id: Value, performed: Performed) -> Response {
        let Performed { result, slot, extensions } = performed;
        let response = match result {
            OperationResult::Stream(events) => {
                let write: sse::WriteEvent = Box::new(move |event| {
                    let value = match event {
                        Ok(event) => jsonrpc::event(version, event).map(|event| jsonrpc::success(&id, event)),
                        Err(error) => Ok(jsonrpc::failure(&id, error)),
                    };
                    block("", value)
                });
                sse::response(events, write, slot, self.bindings.shutdown.clone())
            }
            result => match written(jsonrpc::result(version, &result, &self.bindings.cards)) {
                Ok(value) => reply::rpc_success(&id, value),
                Err(error) => reply::rpc_failure(&id, &error),
            },
        };
        with_extensions(response, &extensions)
    }

    async fn rest(
        &self,
        parts: &Parts,
        body: Body,
        agent: String,
        name: OperationName,
        fields: Map<String, Value>,
    ) -> Response {
        let fail = |error: &A2aError| {
            log(error);
            reply::rest_failure(&parts.headers, error)
        };
        let caller = match self.bindings.callers.check(&parts.headers, &agent).await {
            Ok(caller) => caller,
            Err(CallerRejection { error, challenge }) => {
                return reply::closing(reply::with_challenge(fail(&error), challenge.as_deref()));
            }
        };
        let bytes = match body::read(&parts.headers, body).await {
            Ok(bytes) => bytes,
            Err(error) => return reply::closing(fail(&error)),
        };
        let performed = async {
            let interface = Interface::Current;
            if ProtocolVersion::of(&parts.headers, query(parts), interface)? != ProtocolVersion::V1_0 {
                return Err(not_supported("0.3", interface)
                    .with_metadata("advice", "HTTP+JSON speaks 1.0; send the header A2A-Version: 1.0"));
            }
            if !bytes.is_empty() {
                body::check_media_type(&parts.headers, &[A2A_JSON, "application/json"])?;
            }
            let operation = rest::operation(name, &parts.method, fields, query(parts), &bytes)?;
            self.perform(&parts.headers, caller, agent, operation).await
        };
        match performed.await {
            Ok(performed) => self.rest_response(&parts.headers, performed),
            Err(error) => fail(&error),
        }
    }

    fn rest_response(&self, headers: &HeaderMap, performed: Performed) -> Response {
        let Performed { result, slot, extensions } = performed;
        let response = match result {
            OperationResult::Stream(events) => {
                let write: sse::WriteEvent = Box::new(|event| match event {
                    Ok(event) => block("", serde_json::to_value(event)),
                    Err(error) => block("event: error\n", Ok(rest_error(error))),
                });
                sse::response(events, write, slot, self.bindings.shutdown.clone())
            }
            result => match written(jsonrpc::current_result(&result, &self.bindings.cards)) {
                Ok(value) => reply::rest_success(&value),
                Err(error) => reply::rest_failure(headers, &error),
            },
        };
        with_extensions(response, &extensions)
    }

    async fn perform(
        &self,
        headers: &HeaderMap,
        caller: Caller,
        agent: String,
        operation: Operation,
    ) -> Result<Performed, A2aError> {
        let description = self.bindings.service.describe_agent(&agent).await?;
        let extensions = negotiate(headers, &description.extensions)?;
        dispatch::check(&operation, &description)?;
        let kind = if operation.is_stream() { SlotKind::Stream } else { SlotKind::Call };
        let slot = self.slots.take(kind, &caller)?;
        let call = Call { caller, agent, extensions };
        let result = dispatch::run(self.bindings.service.as_ref(), &call, operation).await?;
        Ok(Performed { result, slot, extensions: call.extensions })
    }
}

/// One event of a stream.
fn block(first: &str, value: serde_json::Result<Value>) -> String {
    value.map_or_else(|_| String::new(), |value| format!("{first}data: {value}\n\n"))
}

fn written(result: Option<serde_json::Result<Value>>) -> Result<Value, A2aError> {
    let value = result
        .ok_or("an operation without a stream gave one")
        .map_err(|problem| A2aError::internal("the result could not be written", problem))?;
    value.map_err(|error| A2aError::internal("the result could not be written", error))
}

fn with_extensions(mut response: Response, extensions: &[String]) -> Response {
    if let (false, Ok(value)) = (extensions.is_empty(), extensions.join(", ").parse()) {
        response.headers_mut().insert(EXTENSIONS_HEADER, value);
    }
    response
}

/// Logs what is not the caller's fault, where it stops.
fn log(error: &A2aError) {
    if error.kind().rpc_status().http >= 500 {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(reason = error.kind().reason(), error = %error, cause, "an A2A operation failed");
    }
}
