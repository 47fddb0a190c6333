//! The MCP gateway of this relay: one URL for all agents. It holds no key of any agent and asks us whom a credential speaks for.

use super::{Oauth, chain};
use crate::config::GatewayConfig;
use crate::token_file::TokenFile;

/// Where it is, and how we know it.
pub(super) struct Gateway {
    url: String,
    token: TokenFile,
}

impl Gateway {
    pub(super) fn new(config: &GatewayConfig) -> Self {
        Self { url: config.url.clone(), token: TokenFile::at(config.token_file.clone()) }
    }
}

impl Oauth {
    /// The audience of its tokens.
    pub(super) fn gateway_url(&self) -> Option<&str> {
        self.gateway.as_ref().map(|gateway| gateway.url.as_str())
    }

    /// Whether a bearer token is the gateway's. Fails closed.
    pub(super) async fn is_from_gateway(&self, presented: &str) -> bool {
        let Some(gateway) = &self.gateway else { return false };
        gateway.token.is_presented(presented).await.unwrap_or_else(|error| {
            tracing::error!(error = %chain(&error), "nobody can be known as the MCP gateway");
            false
        })
    }
}
