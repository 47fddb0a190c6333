//! A Secret of an Agent, such as the one with the credentials for its endpoint.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::failure::{ExitKind, Failure};

#[derive(Deserialize)]
pub(super) struct AgentSecret {
    #[serde(default)]
    data: BTreeMap<String, Base64Text>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Base64Text(Zeroizing<String>);

impl From<String> for Base64Text {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl AgentSecret {
    /// The decoded value of a key.
    pub(super) fn text(&self, key: &str) -> Result<Zeroizing<String>, Failure> {
        let missing = || {
            Failure::new(ExitKind::Failed, format!("the Agent's Secret has no usable key {key}"))
                .advising("kubectl describe agent shows why the operator has not written it")
        };
        let value = self.data.get(key).ok_or_else(missing)?;
        let bytes = Zeroizing::new(STANDARD.decode(value.0.as_bytes()).map_err(|_| missing())?);
        let text = std::str::from_utf8(&bytes).map_err(|_| missing())?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}
