//! Takes deliveries from the connection to the inbox, and acknowledgements back.

pub(crate) mod acknowledgements;
pub(crate) mod admission;
pub(crate) mod queue;
pub(crate) mod received;

mod ack_tracker;
mod dedup;
mod dedup_file;
