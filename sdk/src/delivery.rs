//! Takes deliveries from the connection to the inbox, and acknowledgements back.

pub(crate) mod acknowledgements;
pub(crate) mod admission;
#[cfg(feature = "direct")]
pub(crate) mod direct_admission;
pub(crate) mod queue;
pub(crate) mod received;
pub(crate) mod relay_clock;

mod dedup_file;
