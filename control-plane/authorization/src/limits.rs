//! Limits per client address and per account, and the bounded map behind sessions and caches.

pub(crate) mod client_ip;
pub(crate) mod expiring_map;
pub(crate) mod rate_limiter;
