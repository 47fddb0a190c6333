//! The chance by which retries and renewals spread, which the simulator replaces.

use std::fmt;
use std::sync::Arc;

/// Draws fractions from 0 to 1. Cheap to clone.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Jitter {
    /// Draws at random.
    #[must_use]
    pub fn random() -> Self {
        Self::from_fn(rand::random::<f64>)
    }

    #[must_use]
    pub fn from_fn(draw: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    #[must_use]
    pub fn draw(&self) -> f64 {
        (self.0)()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}
