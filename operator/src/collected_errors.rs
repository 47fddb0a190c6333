//! Collects the errors of steps that do not depend on each other, so that one object that is
//! refused holds up no other one.

use crate::error::{Error, Result};

/// The errors of several steps.
#[derive(Debug, Default)]
pub struct CollectedErrors(Vec<Error>);

impl CollectedErrors {
    /// The value of a step that succeeded. The error of one that failed is kept.
    pub fn check<T>(&mut self, step: Result<T>) -> Option<T> {
        step.map_err(|error| self.0.push(error)).ok()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// The only error, or [`Error::Several`] with all of them.
    pub fn into_result(mut self) -> Result<()> {
        match self.0.pop() {
            None => Ok(()),
            Some(only) if self.0.is_empty() => Err(only),
            Some(last) => {
                self.0.push(last);
                Err(Error::Several(self.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;

    fn taken(name: &str) -> Error {
        Error::NameTaken { kind: "Service".into(), name: name.into() }
    }

    #[test]
    fn every_error_is_named_and_one_that_may_pass_decides_about_the_retry() {
        let mut errors = CollectedErrors::default();
        assert_eq!(errors.check(Ok(7)), Some(7));
        assert!(errors.is_empty());
        errors.check::<()>(Err(taken("team/a")));
        errors.check::<()>(Err(Error::NoReplica("team/main".into())));
        let error = errors.into_result().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Service team/a exists and belongs to another owner; it is not changed; \
             Relay team/main has no ready replica"
        );
        assert_eq!(error.category(), Category::Relay);
        assert!(error.parts().iter().any(|part| matches!(part, Error::NameTaken { .. })));
    }

    #[test]
    fn a_single_error_stays_what_it_is() {
        let mut errors = CollectedErrors::default();
        errors.check::<()>(Err(taken("team/a")));
        assert!(matches!(errors.into_result(), Err(Error::NameTaken { .. })));
        assert!(CollectedErrors::default().into_result().is_ok());
    }
}
