//! The relay's MCP gateway: one URL for all agents. It has no keys of agents and introspects every
//! credential.

use daemon::error_chain;
use daemon::token_file::TokenFile;

use crate::settings::GatewaySettings;

/// The gateway's URL and the token that it authenticates with.
pub(crate) struct Gateway {
    url: String,
    token: TokenFile,
}

impl Gateway {
    pub(crate) fn new(settings: &GatewaySettings) -> Self {
        Self { url: settings.url.clone(), token: TokenFile::new(&settings.token_file) }
    }

    /// The URL, which is the audience of the gateway's access tokens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether a bearer token is the gateway's. If the token file cannot be read, no token is.
    pub(crate) async fn has_token(&self, presented: &str) -> bool {
        self.token.is_presented(presented).await.unwrap_or_else(|error| {
            let error = error_chain(&error);
            tracing::error!(error, "cannot read the gateway token; all gateway requests are refused");
            false
        })
    }
}
