//! Readiness of the store: fails with the first failed commit and passes again with the next that
//! works.

use std::sync::atomic::{AtomicBool, Ordering};

use daemon::error_chain;

#[derive(Debug, Default)]
pub(super) struct Health {
    failing: AtomicBool,
}

impl Health {
    pub(super) fn report<T, E: std::error::Error>(&self, commit: &Result<T, E>) {
        let failing = commit.is_err();
        if self.failing.swap(failing, Ordering::Relaxed) == failing {
            return;
        }
        match commit {
            Ok(_) => tracing::info!("the directory can be stored again"),
            Err(error) => {
                tracing::error!(error = error_chain(error), "failed to store a change of the directory")
            }
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn readiness(&self) -> Result<(), String> {
        if self.is_failing() {
            Err("changes of the directory cannot be stored; see the log".into())
        } else {
            Ok(())
        }
    }
}
