//! People: accounts, browser sessions, invitations, and sign-in with an OpenID provider.

pub(crate) mod account;
pub(crate) mod browser_session;
mod declared_invitation;
pub(crate) mod invitation_error;
pub(crate) mod invitations;
pub(crate) mod pending_sign_ins;
pub(crate) mod provider;
pub(crate) mod sign_ins;
