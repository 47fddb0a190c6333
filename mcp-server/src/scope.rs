//! OAuth scopes: what an access token may allow. An API key allows everything.

use std::fmt;

/// One scope of this server (RFC 6749 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read messages and look up agents, and mark messages as read.
    Read,
    /// Send and delete messages.
    Send,
    /// Submit tasks, work on them, and follow them.
    Tasks,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Send, Self::Tasks];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Send => "mcp:send",
            Self::Tasks => "mcp:tasks",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes {
    read: bool,
    send: bool,
    tasks: bool,
}

impl Scopes {
    pub const ALL: Self = Self { read: true, send: true, tasks: true };

    /// Parses a list separated by spaces. Scopes of other servers are ignored.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let has = |scope: Scope| list.split(' ').any(|listed| listed == scope.as_str());
        Self { read: has(Scope::Read), send: has(Scope::Send), tasks: has(Scope::Tasks) }
    }

    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
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
        assert_eq!(Scope::ALL.map(|scope| scopes.contains(scope)), [true, false, false]);
        assert_eq!(Scopes::parse("mcp:tasks mcp:send mcp:read"), Scopes::ALL);
        assert_eq!(Scopes::parse(""), Scopes::default());
    }
}
