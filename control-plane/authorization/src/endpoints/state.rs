//! The state of all endpoints: one field per module of the authorization server.

use std::sync::Arc;

use protocol::UnixSeconds;
use protocol::url::Issuer;

use crate::authorize::target::Targets;
use crate::clients::registry::ClientRegistry;
use crate::grants::lifecycle::Grants;
use crate::limits::client_ip::TrustedProxies;
use crate::limits::rate_limiter::RateLimiter;
use crate::metrics::Metrics;
use crate::pages::render::Pages;
use crate::people::invitations::Invitations;
use crate::people::sign_ins::SignIns;
use crate::relay::Relay;
use crate::settings::Clock;
use crate::tokens::issuance::AccessTokens;

/// What endpoints work on. Only they use all modules.
pub(crate) struct ServerState {
    pub(crate) issuer: Issuer,
    pub(crate) clock: Clock,
    pub(crate) relay: Arc<dyn Relay>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) limiter: Arc<RateLimiter>,
    pub(crate) metrics: Metrics,
    pub(crate) targets: Targets,
    pub(crate) clients: ClientRegistry,
    pub(crate) sign_ins: SignIns,
    pub(crate) invitations: Invitations,
    pub(crate) grants: Grants,
    pub(crate) tokens: AccessTokens,
    pub(crate) pages: Pages,
}

/// The state as handlers extract it.
pub(crate) type SharedState = Arc<ServerState>;

impl ServerState {
    pub(crate) fn now(&self) -> UnixSeconds {
        (self.clock)()
    }
}
