//! Describes agents: their verified cards, cached, with the media types of the settings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::Did;
use protocol::record::{Card, Discovery};

use crate::error::{A2aError, ErrorKind};
use crate::model::AgentSkill;
use crate::network::{Network, NetworkError};
use crate::service::{AgentDescription, AgentPage};

/// How long a card is used before the relay is asked again.
const CARD_TTL: Duration = Duration::from_secs(15);
/// How long it is used while the relay cannot be asked.
const STALE_CARD_TTL: Duration = Duration::from_secs(15 * 60);
/// Cached cards. Beyond it the oldest is dropped.
const CARDS_MAX: usize = 1_000;

/// The media types that agents take and give, and which agents are served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentModes {
    pub input: Vec<String>,
    pub output: Vec<String>,
    /// Names of the agents that are served; empty for all of the tenant.
    pub agents: Vec<String>,
}

pub(super) struct AgentDirectory {
    network: Arc<dyn Network>,
    modes: AgentModes,
    cards: Mutex<HashMap<String, (Card, Instant)>>,
}

impl AgentDirectory {
    pub(super) fn new(network: Arc<dyn Network>, modes: AgentModes) -> Self {
        Self { network, modes, cards: Mutex::default() }
    }

    /// The DID of an agent of the gateway's tenant.
    pub(super) fn did(&self, name: &str) -> Result<Did, A2aError> {
        let own = self.network.own_did();
        let is_served = self.modes.agents.is_empty() || self.modes.agents.iter().any(|agent| agent == name);
        let parsed = name.parse().ok().zip(own.domain().parse().ok()).filter(|_| is_served);
        let did = parsed.map(|(name, domain)| Did::new(&domain, &own.tenant(), &name));
        did.filter(|did| did != own).ok_or_else(A2aError::agent_not_found)
    }

    pub(super) async fn describe(&self, name: &str) -> Result<AgentDescription, A2aError> {
        let did = self.did(name)?;
        let cached = self.cards.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((card, at)) = &cached
            && at.elapsed() < CARD_TTL
        {
            return Ok(self.description(name, card));
        }
        match self.network.lookup(&did).await {
            Ok(card) => {
                let description = self.description(name, &card);
                self.keep(name, card);
                Ok(description)
            }
            Err(NetworkError::Temporary) => match cached {
                Some((card, at)) if at.elapsed() < STALE_CARD_TTL => Ok(self.description(name, &card)),
                _ => Err(unavailable()),
            },
            Err(NetworkError::NotFound | NetworkError::Refused(_)) => {
                self.cards.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
                Err(A2aError::agent_not_found())
            }
        }
    }

    /// The agents of the tenant that discovery shows, after the one of the token, by name.
    pub(super) async fn list(&self, page_size: u32, after: Option<&str>) -> Result<AgentPage, A2aError> {
        let found = self.network.discover().await.map_err(|_| unavailable())?;
        let mut agents: Vec<_> = found
            .iter()
            .filter(|agent| agent.card.discovery == Discovery::default())
            .map(|agent| (agent.did.name().to_owned(), &agent.did, &agent.card))
            .filter(|(name, did, _)| self.did(name).is_ok_and(|own| own == **did))
            .filter(|(name, ..)| after.is_none_or(|after| name.as_str() > after))
            .collect();
        agents.sort_by(|a, b| a.0.cmp(&b.0));
        let limit = usize::try_from(page_size).unwrap_or(usize::MAX);
        let has_more = agents.len() > limit;
        agents.truncate(limit);
        let next_page_token = agents.last().filter(|_| has_more).map(|(name, ..)| name.clone());
        let agents = agents.iter().map(|(name, _, card)| self.description(name, card)).collect();
        Ok(AgentPage { agents, next_page_token: next_page_token.unwrap_or_default() })
    }

    fn description(&self, name: &str, card: &Card) -> AgentDescription {
        let shown = if card.name.is_empty() { name } else { &card.name };
        let text = if card.description.is_empty() { shown } else { &card.description };
        let skills = card.capabilities.iter().map(|capability| {
            let name = if capability.name.is_empty() { &capability.id } else { &capability.name };
            AgentSkill {
                id: capability.id.clone(),
                name: name.clone(),
                description: name.clone(),
                tags: capability.id.split('.').map(str::to_owned).collect(),
                examples: Vec::new(),
                input_modes: Vec::new(),
                output_modes: Vec::new(),
                security_requirements: Vec::new(),
            }
        });
        AgentDescription {
            agent: name.to_owned(),
            name: shown.to_owned(),
            description: text.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            skills: skills.collect(),
            input_modes: self.modes.input.clone(),
            output_modes: self.modes.output.clone(),
            streaming: true,
            push_notifications: true,
            ..AgentDescription::default()
        }
    }

    fn keep(&self, name: &str, card: Card) {
        let mut cards = self.cards.lock().unwrap_or_else(PoisonError::into_inner);
        if cards.len() >= CARDS_MAX && !cards.contains_key(name) {
            let oldest = cards.iter().min_by_key(|(_, (_, at))| *at).map(|(name, _)| name.clone());
            oldest.map(|oldest| cards.remove(&oldest));
        }
        cards.insert(name.to_owned(), (card, Instant::now()));
    }
}

fn unavailable() -> A2aError {
    A2aError::new(ErrorKind::Unavailable, "the relay cannot be reached now")
}
