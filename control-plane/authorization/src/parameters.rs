//! Parses the parameters of a query or a form, each at most once (RFC 6749 section 3.1). An empty
//! value counts as absent.

use std::collections::HashMap;

/// The longest query or form, in bytes; the longest authorization request has a third of it.
pub(crate) const PARAMETERS_BYTES_MAX: usize = 16 * 1024;
/// The most parameters in one query or form; our own requests have ten.
const PARAMETERS_MAX: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(HashMap<String, String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    #[error(
        "there are more than {PARAMETERS_MAX} parameters, or more than {PARAMETERS_BYTES_MAX} bytes of them"
    )]
    TooMany,
    #[error("the parameter {0} is given twice")]
    Twice(String),
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ParametersError> {
        if text.len() > PARAMETERS_BYTES_MAX {
            return Err(ParametersError::TooMany);
        }
        let mut found = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if found.len() == PARAMETERS_MAX {
                return Err(ParametersError::TooMany);
            }
            if found.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(ParametersError::Twice(name.chars().take(40).collect()));
            }
        }
        found.retain(|_, value| !value.is_empty());
        Ok(Self(found))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_given_twice_is_refused_and_an_empty_one_is_absent() {
        let twice = Parameters::parse(b"a=1&b=2&a=1").unwrap_err();
        assert_eq!(twice, ParametersError::Twice("a".into()));
        let read = Parameters::parse(b"a=1%202&b=&c").unwrap();
        assert_eq!((read.get("a"), read.get("b"), read.get("c")), (Some("1 2"), None, None));
    }

    #[test]
    fn too_many_and_too_long_are_refused() {
        let many: String = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1&")).collect();
        assert_eq!(Parameters::parse(many.as_bytes()), Err(ParametersError::TooMany));
        let long = vec![b'a'; PARAMETERS_BYTES_MAX + 1];
        assert_eq!(Parameters::parse(&long), Err(ParametersError::TooMany));
    }
}
