//! Models what each agent of two tenants may find. Agents of the two tenants have the same names.
//! Pure.

use protocol::did::TenantId;
use protocol::frame::DiscoverParams;
use protocol::record::{Capability, Card, Discovery};
use protocol::{Did, Reason};

pub(super) const DOMAIN: &str = "relay.test";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    /// A tenant that does not exist.
    Nowhere,
}

/// An agent that registers.
pub(super) struct Member {
    pub(super) side: Side,
    pub(super) name: &'static str,
    pub(super) capability: &'static str,
    pub(super) hidden: bool,
}

pub(super) const AGENTS: [Member; 5] = [
    Member { side: Side::Left, name: "alice", capability: "chat", hidden: false },
    Member { side: Side::Left, name: "bob", capability: "chat", hidden: true },
    Member { side: Side::Right, name: "alice", capability: "chat", hidden: false },
    Member { side: Side::Right, name: "carol", capability: "plan", hidden: false },
    Member { side: Side::Right, name: "dave", capability: "chat", hidden: true },
];

/// Declared by the admin in both tenants, never registered.
pub(super) const DECLARED: &str = "erin";
const NOBODY: &str = "nobody";

/// Somebody an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    Member(usize),
    Declared(Side),
    Nobody(Side),
}

impl Side {
    /// Each case has its own tenants.
    pub(super) fn tenant(self, case: u32) -> TenantId {
        let name = match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Nowhere => "nowhere",
        };
        format!("{name}-{case}").parse().unwrap()
    }
}

impl Whom {
    pub(super) fn did(self, case: u32) -> Did {
        let name = self.name().parse().unwrap();
        Did::new(&DOMAIN.parse().unwrap(), &self.side().tenant(case), &name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Member(index) => AGENTS[index].name,
            Self::Declared(_) => DECLARED,
            Self::Nobody(_) => NOBODY,
        }
    }

    pub(super) fn side(self) -> Side {
        match self {
            Self::Member(index) => AGENTS[index].side,
            Self::Declared(side) | Self::Nobody(side) => side,
        }
    }
}

pub(super) fn card(member: &Member) -> Card {
    let capabilities = vec![Capability { id: member.capability.to_owned(), name: String::new() }];
    let discovery = if member.hidden { Discovery::Hidden } else { Discovery::Tenant };
    Card { name: member.name.to_owned(), capabilities, discovery, ..Card::default() }
}

/// Whether `who` gets a record of `whom`.
pub(super) fn looked_up(who: usize, whom: Whom) -> Result<(), Reason> {
    let found = matches!(whom, Whom::Member(_)) && whom.side() == AGENTS[who].side;
    if found { Ok(()) } else { Err(Reason::NotFound) }
}

/// Whether a message of `who` is taken.
pub(super) fn taken(who: usize, whom: Whom, reliable: bool, online: bool) -> Result<(), Reason> {
    if matches!(whom, Whom::Nobody(_)) || whom.side() != AGENTS[who].side {
        return Err(Reason::NotFound);
    }
    if reliable || online { Ok(()) } else { Err(Reason::RecipientOffline) }
}

/// The page of discovery that `who` is to see.
pub(super) fn discovered(who: usize, query: &DiscoverParams, case: u32) -> Vec<Did> {
    let mut found: Vec<_> = AGENTS
        .iter()
        .enumerate()
        .filter(|(_, member)| member.side == AGENTS[who].side && !member.hidden)
        .filter(|(_, member)| query.capability.as_ref().is_none_or(|wanted| wanted == member.capability))
        .map(|(index, _)| Whom::Member(index).did(case))
        .filter(|did| query.cursor.as_ref().is_none_or(|cursor| did > cursor))
        .collect();
    found.sort();
    found.truncate(query.limit.unwrap_or(usize::MAX));
    found
}
