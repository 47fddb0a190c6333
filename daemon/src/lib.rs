//! What every long-running process of the workspace needs and none should write twice: telemetry, the admin listener,
//! orderly shutdown, supervised tasks. Knows no word of the product's domain.

pub mod admin;
pub mod build_info;
pub mod readiness;
pub mod shutdown;
pub mod task;
pub mod telemetry;

pub use build_info::BuildInfo;
pub use readiness::Readiness;
pub use shutdown::Shutdown;
pub use task::Tasks;
