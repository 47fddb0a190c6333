//! Plants flaws into the requests of an operator and into their answers.

use serde_json::{Value, json};

use super::api_request::{ApiRequest, ApiVerb};
use super::object_store::ObjectId;
use super::{ApiFailure, ApiServer, flawed_object};
use crate::simulator::flaw::Flaw;
use crate::simulator::network::ModelNetwork;

/// What happens to a request because of a flaw.
pub(super) enum FlawedRequest {
    /// It goes on, perhaps changed.
    Sent(ApiRequest),
    /// It is answered without the server.
    Answered(Result<Value, ApiFailure>),
}

pub(super) fn plant(server: &ApiServer, network: &ModelNetwork, request: ApiRequest) -> FlawedRequest {
    let Some(flaw) = network.flaw() else { return FlawedRequest::Sent(request) };
    let plural = request.kind.plural;
    let is_secret = plural == "secrets";
    match (flaw, request.verb) {
        (Flaw::StrippedMember, ApiVerb::Replace) if is_secret => edited(request, |secret| {
            secret["data"].as_object_mut().map(|data| data.remove("ca.crt"));
        }),
        (Flaw::ForgottenOverlap, ApiVerb::Replace) if is_secret => edited(request, |secret| {
            if let Some(retiring) = secret["metadata"]["annotations"].get_mut(crds::label::RETIRING) {
                *retiring = json!("[]");
            }
        }),
        (Flaw::OverwrittenSecret, ApiVerb::Create) if is_secret => overwriting(server, request),
        (Flaw::OverwrittenSecret, ApiVerb::Get) if is_secret && is_foreign(server, &request) => gone(),
        (Flaw::ForgottenRootKey | Flaw::ForgottenAuthority, ApiVerb::Get)
            if matches!(plural, "agents" | "relays") =>
        {
            let found = server.with(|store| store.get(&id(&request)));
            FlawedRequest::Answered(found.map(|found| flawed_object::shown(network, &found).into_owned()))
        }
        (Flaw::SharedLease, ApiVerb::Get | ApiVerb::Replace) if plural == "leases" => {
            shared_lease(server, network, request)
        }
        (Flaw::SkippedStatus, ApiVerb::Replace) if request.is_status && network.happens(300) => {
            FlawedRequest::Answered(
                server.with(|store| store.get(&id(&request))).map(|found| Value::clone(&found)),
            )
        }
        (Flaw::RestlessStatus, ApiVerb::Replace) if request.is_status => {
            let name = network.name().to_owned();
            edited(request, move |object| {
                for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
                    condition["message"] =
                        format!("{} ({name})", condition["message"].as_str().unwrap()).into();
                }
            })
        }
        _ => FlawedRequest::Sent(request),
    }
}

fn id(request: &ApiRequest) -> ObjectId {
    ObjectId::new(request.kind, &request.namespace, &request.name)
}

fn gone() -> FlawedRequest {
    FlawedRequest::Answered(Err(ApiFailure::not_found("not found")))
}

fn edited(mut request: ApiRequest, edit: impl FnOnce(&mut Value)) -> FlawedRequest {
    let mut body = request.json().unwrap();
    edit(&mut body);
    request.body = body.to_string().into();
    FlawedRequest::Sent(request)
}

fn is_foreign(server: &ApiServer, request: &ApiRequest) -> bool {
    let found = server.with(|store| store.find(&id(request)));
    found.is_some_and(|found| found["metadata"]["labels"][crds::label::SECRET_KIND].is_null())
}

/// Creates an object, or replaces the one that exists.
fn overwriting(server: &ApiServer, mut request: ApiRequest) -> FlawedRequest {
    let name = request.json().unwrap()["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let found = ObjectId::new(request.kind, &request.namespace, &name);
    if server.with(|store| store.find(&found)).is_some() {
        (request.verb, request.name) = (ApiVerb::Replace, name);
    }
    FlawedRequest::Sent(request)
}

/// Every replica sees itself as the holder, and every renewal succeeds.
fn shared_lease(server: &ApiServer, network: &ModelNetwork, request: ApiRequest) -> FlawedRequest {
    let Some(found) = server.with(|store| store.find(&id(&request))) else {
        return FlawedRequest::Sent(request);
    };
    let holder = found["spec"]["holderIdentity"].as_str().unwrap_or_default();
    if holder.is_empty() || holder.starts_with(network.name()) {
        return FlawedRequest::Sent(request);
    }
    if request.verb == ApiVerb::Replace {
        return FlawedRequest::Answered(request.json());
    }
    let mut free = Value::clone(&found);
    free["spec"]["holderIdentity"] = json!("");
    FlawedRequest::Answered(Ok(free))
}
