//! What every long-running process of the workspace needs and none should write twice: telemetry, the admin listener,
//! orderly shutdown, supervised tasks. Knows no word of the product's domain.

pub mod admin;
pub mod build_info;
mod error_chain;
pub mod https;
pub mod open_files;
pub mod readiness;
pub mod shutdown;
pub mod task;
pub mod telemetry;
pub mod token_file;

pub use build_info::BuildInfo;
pub use error_chain::error_chain;
pub use readiness::Readiness;
pub use shutdown::Shutdown;
pub use task::Tasks;
