//! What an access token may allow. An API key allows everything.

use std::fmt;

/// One scope of this server (RFC 6749 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Look at messages and agents, and mark messages as read.
    Read,
    /// Send and delete messages.
    Send,
    /// Give, do and follow tasks.
    Tasks,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Send, Self::Tasks];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Send => "mcp:send",
            Self::Tasks => "mcp:tasks",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one caller may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    read: bool,
    send: bool,
    tasks: bool,
}

impl Scopes {
    pub const ALL: Self = Self { read: true, send: true, tasks: true };

    /// Reads a list separated by spaces. Scopes of other servers say nothing here.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let has = |scope: Scope| list.split(' ').any(|word| word == scope.word());
        Self { read: has(Scope::Read), send: has(Scope::Send), tasks: has(Scope::Tasks) }
    }

    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => self.read,
            Scope::Send => self.send,
            Scope::Tasks => self.tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count_as_scopes() {
        let scopes = Scopes::parse("openid mcp:read mcp:sending");
        assert_eq!(Scope::ALL.map(|scope| scopes.allow(scope)), [true, false, false]);
        assert_eq!(Scopes::parse("mcp:tasks mcp:send mcp:read"), Scopes::ALL);
        assert_eq!(Scopes::parse(""), Scopes::default());
    }
}
