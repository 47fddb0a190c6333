//! A verified and decrypted message before the application has it.

use protocol::envelope::{Class, Content, Header};

use crate::evidence::Evidence;

pub(crate) struct Received {
    pub(crate) header: Header,
    pub(crate) content: Content,
    pub(crate) evidence: Evidence,
}

impl Received {
    pub(crate) fn is_reliable(&self) -> bool {
        self.header.class == Class::Reliable
    }
}
