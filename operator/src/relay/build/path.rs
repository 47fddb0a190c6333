//! Directories inside a relay's container.

pub(super) const DATA: &str = "/var/lib/msg2agent";
pub(super) const SETTINGS: &str = "/etc/msg2agent";
pub(super) const TLS: &str = "/var/run/msg2agent/tls";
pub(super) const ADMIN: &str = "/var/run/msg2agent/admin";
pub(super) const OAUTH_KEYS: &str = "/var/run/msg2agent/oauth-keys";
pub(super) const PROVIDER: &str = "/var/run/msg2agent/provider";
pub(super) const GATEWAY: &str = "/var/run/msg2agent/gateway";
