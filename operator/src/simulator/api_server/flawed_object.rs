//! Plants flaws into objects as the operator's caches see them.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::simulator::flaw::Flaw;
use crate::simulator::network::ModelNetwork;

/// The object as lists and watches show it.
pub(super) fn shown<'a>(network: &ModelNetwork, object: &'a Value) -> Cow<'a, Value> {
    let kind = object["kind"].as_str().unwrap_or_default();
    match (network.flaw(), kind) {
        (Some(Flaw::IgnoredConsent), "Namespace") => {
            let mut object = object.clone();
            object["metadata"]["labels"] = json!({"relay": "yes"});
            Cow::Owned(object)
        }
        _ => Cow::Borrowed(object),
    }
}
