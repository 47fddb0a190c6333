//! The sender of an administrative request, and the conditions under which it writes.

use protocol::admin::{Owner, Term};

/// Who asks for a change. The default is a person with the admin token whose request says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requester {
    /// `None`: the request names no owner. It has the rights of the command line, and what it
    /// makes belongs to nobody, so that a control plane which learns to name owners can claim it.
    pub(crate) owner: Option<Owner>,
    /// The owner from which the requester takes over.
    pub(crate) former_owner: Option<Owner>,
    /// Only an entry that exists and belongs to the requester is written.
    pub(crate) if_owned: bool,
    /// The term of the leader that asks. A person has none.
    pub(crate) term: Option<Term>,
}

impl Requester {
    /// The owner whose rights the request has.
    pub(crate) fn rights(&self) -> Owner {
        self.owner.clone().unwrap_or_default()
    }
}
