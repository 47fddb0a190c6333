//! Reads single environment variables.

use std::env::VarError;

use crate::error::{Error, ErrorKind};

pub(super) fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// A variable's text. An empty variable counts as unset.
pub(super) fn text(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(e) => Err(Error::new(ErrorKind::Config, format!("cannot read {name}")).caused_by(e)),
    }
}

pub(super) fn flag(name: &str) -> Result<bool, Error> {
    match text(name)?.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::new(ErrorKind::Config, format!("{name} must be true or false"))),
    }
}
