//! The SQL of the authorization server. The modules that call it decide.
//!
//! The schema is in `relay/migrations`, because the relay opens the one database file.

pub(crate) mod accounts;
pub(crate) mod cleanup;
pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod database;
pub(crate) mod grants;
pub(crate) mod invitations;
pub(crate) mod refresh_tokens;
