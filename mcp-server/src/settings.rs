//! Settings that the endpoint and the gateway share. Each is a flag with an environment variable;
//! [`variables`] has the names of both roles.

mod error;
mod listen;
mod logging;
pub mod variables;

pub use daemon::https::TlsFiles;
pub use error::{SettingsError, check_resource_url, check_secure_url};
pub use listen::ListenSettings;
pub use logging::LoggingSettings;
