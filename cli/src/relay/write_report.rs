//! Says what a write to the relay changed, or that it changed nothing.

use protocol::admin::Applied;

use crate::failure::{ExitKind, Failure};
use crate::output::Output;

/// Reports a state that holds now. `already` is said instead of `done` if it held before.
pub(super) fn set(applied: &Applied, done: &str, already: &str, output: &Output) {
    let said = if applied.changed == Some(false) { already } else { done };
    output.result(applied, format_args!("{said}, version {}", applied.version));
}

/// Reports a removal.
///
/// # Errors
/// There was nothing to remove: the name is probably misspelled, and what was meant is still there.
pub(super) fn removed(applied: &Applied, done: &str, missing: &str, output: &Output) -> Result<(), Failure> {
    if applied.changed == Some(false) {
        let attempt = format!("nothing was changed: {missing}");
        let mut failure = Failure::new(ExitKind::Refused, attempt);
        failure.reason = Some(protocol::Reason::NotFound.as_str());
        return Err(failure.advising("list what there is, and check the spelling"));
    }
    output.result(applied, format_args!("{done}, version {}", applied.version));
    Ok(())
}
