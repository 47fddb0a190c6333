//! The gateway: one URL for all agents of a relay. It holds no agent's key. It asks the relay whom a credential speaks for and brings
//! the request, unchanged, to that agent's own endpoint, which verifies the credential once more. So it keeps no state that matters,
//! any number of it may run side by side, and whoever takes it over can impersonate nobody.
//!
//! Reading order: [`settings`], [`door`], [`known`], [`directory`], [`forward`], [`process`].

pub mod directory;
pub mod door;
pub mod forward;
pub mod headers;
pub mod introspector;
pub mod known;
pub mod metrics;
pub mod names;
pub mod process;
pub mod settings;
