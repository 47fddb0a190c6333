//! Access tokens, the keys that sign them, and introspection responses.

pub(crate) mod access_token;
pub(crate) mod introspection;
pub(crate) mod issuance;
pub(crate) mod key_folder;
pub(crate) mod signing_key;
pub(crate) mod signing_keys;
