//! The wall clock of an agent. Nothing else in this crate reads one, and a test can set it.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::UnixSeconds;

/// Tells an agent the time: what it signs, and which messages are fresh. Cheap to clone.
///
/// ```
/// use msg2agent::Clock;
///
/// let ahead = Clock::from_fn(|| Clock::system().now() + 600);
/// assert!(ahead.now() > Clock::system().now());
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixSeconds + Send + Sync>);

impl Clock {
    /// The clock of this machine. A clock before 1970 reads as 0, and every message is then refused
    /// as not fresh.
    #[must_use]
    pub fn system() -> Self {
        Self::from_fn(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// A clock that reads what `now` returns, in seconds since the Unix epoch. It is called for
    /// each message, and must not block.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> UnixSeconds + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
