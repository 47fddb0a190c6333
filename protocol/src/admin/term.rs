//! Orders the leaders of a control plane, so that a relay can refuse the writes of a former one.

use std::fmt;
use std::str::FromStr;

/// The term of a leader: when its lease was created, and how often the lease has changed hands.
///
/// A later term is greater. A lease that was deleted and created again starts a later term,
/// because its creation time is later.
///
/// ```
/// use msg2agent_protocol::admin::Term;
///
/// let (first, second): (Term, Term) = ("1700000000.9".parse()?, "1700000000.10".parse()?);
/// assert!(first < second);
/// # Ok::<(), msg2agent_protocol::admin::TermError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// Unix seconds of the creation of the lease, by the clock of the API server.
    pub lease_created: u64,
    /// How often the lease has changed hands since.
    pub transitions: u64,
}

/// A text that is no term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a term is two decimal numbers with a point between them")]
pub struct TermError;

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.lease_created, self.transitions)
    }
}

impl FromStr for Term {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let number = |digits: &str| {
            let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_decimal).ok_or(TermError)
        };
        let (created, transitions) = text.split_once('.').ok_or(TermError)?;
        Ok(Self { lease_created: number(created)?, transitions: number(transitions)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_read_back_from_its_text_and_nothing_else_is_one() {
        let term = Term { lease_created: 1_700_000_000, transitions: 12 };
        assert_eq!(term.to_string().parse(), Ok(term));
        for text in ["", ".", "1.", ".1", "1", "+1.1", "1.1.1", "99999999999999999999.1"] {
            assert_eq!(text.parse::<Term>(), Err(TermError), "{text}");
        }
    }

    #[test]
    fn a_lease_that_was_created_again_starts_a_later_term() {
        let before = Term { lease_created: 1_700_000_000, transitions: 12 };
        assert!(before < Term { lease_created: 1_700_000_060, transitions: 0 });
        assert!(before < Term { transitions: 13, ..before });
    }
}
