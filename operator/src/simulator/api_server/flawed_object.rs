//! Plants flaws into objects as the operator's caches see them.

use std::borrow::Cow;

use crds::label;
use serde_json::{Value, json};

use crate::simulator::flaw::Flaw;
use crate::simulator::network::ModelNetwork;

/// The object as lists and watches show it.
pub(super) fn shown<'a>(network: &ModelNetwork, object: &'a Value) -> Cow<'a, Value> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let edit: fn(&mut Value) = match (network.flaw(), kind) {
        (Some(Flaw::IgnoredConsent), "Namespace") => {
            |object| object["metadata"]["labels"] = json!({"relay": "yes"})
        }
        (Some(Flaw::ForgottenRootKey), "Agent") => |object| remove(&mut object["status"], "rootKeyMultibase"),
        (Some(Flaw::ForgottenAuthority), "Relay") => |object| remove(&mut object["status"], "caFingerprint"),
        (Some(Flaw::ForgedConfirmation), "Relay") => |object| {
            let reported = object["status"]["unclaimed"].to_string();
            object["metadata"]["annotations"][label::CONFIRM_REMOVAL] = reported.into();
        },
        (Some(Flaw::IgnoredPause), "Relay" | "Tenant" | "Agent") => {
            |object| remove(&mut object["metadata"]["annotations"], label::PAUSED)
        }
        _ => return Cow::Borrowed(object),
    };
    let mut object = object.clone();
    edit(&mut object);
    Cow::Owned(object)
}

fn remove(parent: &mut Value, member: &str) {
    parent.as_object_mut().map(|parent| parent.remove(member));
}
