//! The card of an agent, as it appears in answers.

use protocol::record;
use schemars::JsonSchema;
use serde::Serialize;

/// A card as its agent wrote it; the protocol bounds its size.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct AgentCard {
    pub name: String,
    pub description: String,
    pub capabilities: Vec<CardCapability>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct CardCapability {
    pub id: String,
    pub name: String,
}

impl From<record::Card> for AgentCard {
    fn from(card: record::Card) -> Self {
        let capabilities = card.capabilities.into_iter().map(|c| CardCapability { id: c.id, name: c.name });
        Self { name: card.name, description: card.description, capabilities: capabilities.collect() }
    }
}
