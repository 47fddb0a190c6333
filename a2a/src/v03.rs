//! Translates version 0.3 of the protocol: other method names, `kind` members, states in lower
//! case.

mod card;
mod read;
mod write;

pub(crate) use card::card;
pub(crate) use read::read_operation;
pub(crate) use write::{write_event, write_result};
