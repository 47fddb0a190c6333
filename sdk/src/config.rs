//! The settings of an agent, and the three places they can come from.
//!
//! | source | layout |
//! |---|---|
//! | [`Config::from_dir`] | a folder with a file per setting, such as a mounted Secret |
//! | [`Config::from_env`] | environment variables `MSG2AGENT_*` |
//! | [`Config::from_profile`] | a profile in the user's configuration folder, made by `m2a init` |
//!
//! [`Config::find`] uses the first of them that exists. [`Config::new`] takes the settings as
//! values.

mod endpoint;
mod environment;
mod known_root_keys;
mod memory_limits;
mod profile;
mod service_binding;
mod setting_file;
mod settings;
mod variables;

pub use endpoint::Endpoint;
pub use memory_limits::MemoryLimits;
pub use profile::{DEFAULT_PROFILE, profile_dir, profiles_dir};
pub use settings::{Config, KeySource};
