//! The settings of an agent, and the three places they can come from.
//!
//! | source | layout |
//! |---|---|
//! | [`Config::from_dir`] | a folder with a file per setting, such as a mounted Secret |
//! | [`Config::from_env`] | environment variables `MSG2AGENT_*` |
//! | [`Config::from_profile`] | a profile in the user's configuration folder, made by `m2a init` |
//!
//! With the feature `direct`, each of them may switch direct connections on, see `docs/direct.md`.
//!
//! [`Config::find`] uses the first of them that exists. [`Config::new`] takes the settings as
//! values.

#[cfg(feature = "direct")]
mod direct_settings;
mod endpoint;
mod environment;
mod known_root_keys;
mod memory_limits;
#[cfg(feature = "direct")]
mod peers_file;
mod profile;
mod service_binding;
mod setting_file;
mod settings;
mod variables;

#[cfg(feature = "direct")]
pub use direct_settings::DirectSettings;
pub use endpoint::Endpoint;
pub use memory_limits::MemoryLimits;
#[cfg(feature = "direct")]
pub use peers_file::DirectPeer;
pub use profile::{DEFAULT_PROFILE, profile_dir, profiles_dir};
pub(crate) use settings::RelayAccess;
pub use settings::{Config, KeySource};
