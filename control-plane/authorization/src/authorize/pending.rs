//! A valid authorization request, together with its client and the endpoint it asks for.

use super::request::AuthorizationRequest;
use super::target::Target;
use crate::clients::client::Client;

/// A request that passed every check and waits for the person's decision.
pub(crate) struct PendingAuthorization {
    pub(crate) request: AuthorizationRequest,
    pub(crate) client: Client,
    pub(crate) target: Target,
}
