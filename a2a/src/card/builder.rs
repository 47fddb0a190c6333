//! Makes a card from facts about an agent.
//!
//! No required field is left empty: the specification keeps empty ones in what is signed and some
//! clients drop them, so that only a card without any has one canonical form.

use crate::model::{AgentCapabilities, AgentCard, AgentInterface, AgentSkill, SecurityRequirement};
use crate::service::AgentDescription;

/// The role that a requirement names where it names no scope (OpenAPI 3.1 allows roles there).
const DEFAULT_ROLE: &str = "a2a";

/// The card of an agent that is reached at `url`, and for version 0.3 at `legacy_url`.
pub(super) fn card(agent: &AgentDescription, url: &str, legacy_url: &str) -> AgentCard {
    let interface = |url: &str, binding: &str, version: &str| AgentInterface {
        url: url.to_owned(),
        protocol_binding: binding.to_owned(),
        tenant: String::new(),
        protocol_version: version.to_owned(),
    };
    let name = or(&agent.name, &agent.agent);
    AgentCard {
        description: or(&agent.description, &name),
        supported_interfaces: vec![
            interface(url, "JSONRPC", "1.0"),
            interface(url, "HTTP+JSON", "1.0"),
            interface(legacy_url, "JSONRPC", "0.3"),
        ],
        provider: agent.provider.clone(),
        version: or(&agent.version, "1"),
        documentation_url: agent.documentation_url.clone(),
        capabilities: AgentCapabilities {
            streaming: Some(agent.streaming),
            push_notifications: Some(agent.push_notifications),
            extensions: agent.extensions.clone(),
            extended_agent_card: Some(agent.extended_card),
        },
        security_schemes: agent.security_schemes.iter().cloned().collect(),
        security_requirements: agent.security_requirements.iter().cloned().map(with_roles).collect(),
        default_input_modes: modes(&agent.input_modes),
        default_output_modes: modes(&agent.output_modes),
        skills: skills(agent, &name),
        signatures: Vec::new(),
        icon_url: agent.icon_url.clone(),
        name,
    }
}

fn skills(agent: &AgentDescription, name: &str) -> Vec<AgentSkill> {
    let conversation = || AgentSkill {
        id: "conversation".into(),
        name: "Conversation".into(),
        description: format!("Takes messages and tasks for {name}."),
        tags: vec!["conversation".into()],
        examples: Vec::new(),
        input_modes: Vec::new(),
        output_modes: Vec::new(),
        security_requirements: Vec::new(),
    };
    let complete = |skill: &AgentSkill| {
        let mut skill = skill.clone();
        skill.name = or(&skill.name, &skill.id);
        skill.description = or(&skill.description, &skill.name);
        if skill.tags.is_empty() {
            skill.tags.push(skill.id.clone());
        }
        skill.security_requirements = skill.security_requirements.into_iter().map(with_roles).collect();
        skill
    };
    if agent.skills.is_empty() { vec![conversation()] } else { agent.skills.iter().map(complete).collect() }
}

fn with_roles(mut requirement: SecurityRequirement) -> SecurityRequirement {
    for roles in requirement.schemes.values_mut() {
        if roles.list.is_empty() {
            roles.list.push(DEFAULT_ROLE.to_owned());
        }
    }
    requirement
}

fn modes(modes: &[String]) -> Vec<String> {
    if modes.is_empty() { vec!["text/plain".into(), "application/json".into()] } else { modes.to_vec() }
}

fn or(text: &str, other: &str) -> String {
    (if text.trim().is_empty() { other } else { text }).to_owned()
}
