//! The gateway: one URL for all agents of a relay. It holds no agent's key. It asks the relay which
//! agent a credential belongs to, and forwards the request unchanged to that agent's own endpoint,
//! which verifies the credential again. So the gateway keeps no state that matters, any number of
//! replicas can run side by side, and an attacker who controls one can impersonate nobody.
//!
//! Reading order: [`settings`], [`proxy`], [`route_cache`], [`resolver`],
//! [`introspection_client`], [`forward`], [`process`].

pub mod allowed_hosts;
pub mod forward;
pub mod headers;
pub mod introspection_client;
pub mod metrics;
pub mod process;
pub mod proxy;
pub mod rejection;
pub mod resolver;
pub mod route_cache;
pub mod settings;
