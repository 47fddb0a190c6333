//! The parts that every long-running process of the workspace shares: telemetry, the admin
//! listener, the public HTTPS listener, graceful shutdown, supervised tasks, and files that hold
//! tokens.
//!
//! This crate knows nothing about the product's domain and depends on no other crate of the
//! workspace. A typical `main` installs [`telemetry`], raises the limit of [`open_files`], creates
//! a [`Shutdown`] and its [`Tasks`], and serves until the shutdown begins or a task fails.

pub mod admin;
pub mod bearer;
pub mod build_info;
mod error_chain;
pub mod https;
pub mod late_router;
pub mod listen;
pub mod memory_limit;
pub mod open_files;
pub mod readiness;
pub mod shutdown;
pub mod task;
pub mod telemetry;
pub mod token_bucket;
pub mod token_file;

pub use build_info::BuildInfo;
pub use error_chain::error_chain;
pub use late_router::LateRouter;
pub use readiness::Readiness;
pub use shutdown::Shutdown;
pub use task::Tasks;
