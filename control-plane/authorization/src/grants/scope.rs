//! The scopes of access tokens, with their sentences on the consent page.

use std::collections::BTreeSet;
use std::fmt;

/// The longest `scope` parameter, in bytes; all our scopes together have 30.
const SCOPE_BYTES_MAX: usize = 1024;

/// One scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Read,
    Send,
    Tasks,
}

impl Scope {
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Send, Self::Tasks];

    /// The scope as on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Send => "mcp:send",
            Self::Tasks => "mcp:tasks",
        }
    }

    /// The sentence on the consent page.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Read => "Read the agent's messages and find other agents of its team",
            Self::Send => "Send and delete messages in the agent's name",
            Self::Tasks => "Give tasks to other agents, answer and cancel them",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A set of at least one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeSet<Scope>);

/// The text has no known scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoKnownScope;

impl Scopes {
    pub(crate) fn all() -> Self {
        Self(Scope::ALL.into_iter().collect())
    }

    /// Parses scopes separated by spaces. Unknown ones are ignored (RFC 6749 section 3.3), because
    /// clients ask every server for `openid` or `offline_access`.
    pub(crate) fn parse(text: &str) -> Result<Self, NoKnownScope> {
        if text.len() > SCOPE_BYTES_MAX {
            return Err(NoKnownScope);
        }
        let known: BTreeSet<_> = text.split(' ').filter_map(Scope::parse).collect();
        if known.is_empty() { Err(NoKnownScope) } else { Ok(Self(known)) }
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_scopes() -> impl Strategy<Value = BTreeSet<Scope>> {
        prop::sample::subsequence(Scope::ALL.to_vec(), 1..=3).prop_map(|scopes| scopes.into_iter().collect())
    }

    proptest! {
        #[test]
        fn scopes_are_read_back_among_unknown_ones(
            scopes in some_scopes(), others in prop::collection::vec("[a-z:]{0,8}", 0..5)
        ) {
            let written = Scopes(scopes.clone()).to_string();
            prop_assert_eq!(Scopes::parse(&written), Ok(Scopes(scopes.clone())));
            let mut words: Vec<_> = written.split(' ').chain(others.iter().map(String::as_str)).collect();
            words.reverse();
            prop_assert_eq!(Scopes::parse(&words.join(" ")), Ok(Scopes(scopes)));
        }

        #[test]
        fn a_scope_is_within_another_exactly_when_each_of_its_words_is(a in some_scopes(), b in some_scopes()) {
            let each = a.iter().all(|scope| b.contains(scope));
            prop_assert_eq!(Scopes(a).is_within(&Scopes(b)), each);
        }

        #[test]
        fn no_text_names_a_scope_by_accident(text in "\\PC{0,60}") {
            let named = text.split(' ').any(|word| Scope::ALL.iter().any(|scope| scope.as_str() == word));
            prop_assert_eq!(Scopes::parse(&text).is_ok(), named);
        }
    }

    #[test]
    fn unknown_scopes_are_ignored_and_none_known_is_an_error() {
        assert_eq!(
            Scopes::parse("openid mcp:send mcp:read mcp:read").unwrap().to_string(),
            "mcp:read mcp:send"
        );
        assert_eq!(Scopes::parse("openid"), Err(NoKnownScope));
        assert_eq!(Scopes::parse(""), Err(NoKnownScope));
        assert_eq!(Scopes::parse(&"mcp:read ".repeat(200)), Err(NoKnownScope));
        assert_eq!(Scopes::parse(&Scopes::all().to_string()), Ok(Scopes::all()));
    }

    #[test]
    fn a_part_is_within_the_whole_and_not_the_other_way_round() {
        let read = Scopes::parse("mcp:read").unwrap();
        assert!(read.is_within(&Scopes::all()));
        assert!(!Scopes::all().is_within(&read));
    }
}
