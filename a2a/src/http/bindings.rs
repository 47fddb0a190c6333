//! Holds what the bindings need of the process around them.

use std::sync::Arc;

use daemon::Shutdown;

use crate::caller::CallerCheck;
use crate::card::CardPublisher;
use crate::service::TaskService;

/// What the bindings need.
pub struct Bindings {
    pub service: Arc<dyn TaskService>,
    pub callers: Arc<dyn CallerCheck>,
    pub cards: CardPublisher,
    /// Ends the streams.
    pub shutdown: Shutdown,
}
