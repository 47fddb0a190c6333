//! OAuth clients: registered ones, those known by a metadata document, and their redirect URIs.

pub(crate) mod built_in;
pub(crate) mod client;
pub(crate) mod metadata_document;
pub(crate) mod redirect_uri;
pub(crate) mod registry;
