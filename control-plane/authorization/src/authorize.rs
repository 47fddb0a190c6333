//! Authorization requests: their parameters, the endpoint they ask for, and the agents to choose
//! from.

pub(crate) mod agent_choices;
pub(crate) mod gateway;
pub(crate) mod pending;
pub(crate) mod request;
pub(crate) mod target;
