//! Gives the cards of a gateway's agents, with their URLs and signature.

use serde_json::{Value, json};

use super::builder;
use super::signature::CardSigner;
use crate::model::AgentCard;
use crate::service::AgentDescription;

/// Makes the cards below one public URL.
pub struct CardPublisher {
    base_url: String,
    signer: Option<CardSigner>,
}

impl CardPublisher {
    /// `base_url`: the public URL of the gateway, below which each agent has its name.
    #[must_use]
    pub fn new(base_url: &str, signer: Option<CardSigner>) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), signer }
    }

    /// The URL of an agent's interfaces of version 1.0.
    #[must_use]
    pub fn agent_url(&self, agent: &str) -> String {
        format!("{}/{agent}", self.base_url)
    }

    /// The URL of an agent's interface of version 0.3.
    #[must_use]
    pub fn legacy_url(&self, agent: &str) -> String {
        format!("{}/{agent}/v0.3", self.base_url)
    }

    /// The card of an agent. One that cannot be signed is published without signature.
    #[must_use]
    pub fn card(&self, agent: &AgentDescription) -> AgentCard {
        let mut card = builder::card(agent, &self.agent_url(&agent.agent), &self.legacy_url(&agent.agent));
        if let Some(signer) = &self.signer
            && let Err(error) = signer.sign(&mut card)
        {
            tracing::error!(agent = agent.agent, error = %error, "signing an agent's card");
        }
        card
    }

    /// The JSON Web Key Set of the signatures, which is empty without a key.
    #[must_use]
    pub fn public_keys(&self) -> Value {
        self.signer.as_ref().map_or_else(|| json!({"keys": []}), CardSigner::public_keys)
    }
}
