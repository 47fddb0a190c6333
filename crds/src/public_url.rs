//! The public URL of an MCP endpoint or an MCP gateway.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A public URL, `https://host[:port]/mcp`. The API server enforces the form; this type does not
/// check it.
///
/// The URL is the audience of access tokens (RFC 8707). Clients compare it byte for byte, so the
/// standard port must be left out.
///
/// ```
/// use msg2agent_crds::PublicUrl;
///
/// let url = PublicUrl::from("https://mcp.example.com:8443/mcp");
/// assert_eq!(url.host(), "mcp.example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("x-kubernetes-validations" = [rule()]))]
pub struct PublicUrl(
    #[schemars(
        length(max = 512),
        regex(pattern = "^https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?/mcp$")
    )]
    String,
);

fn rule() -> serde_json::Value {
    serde_json::json!({
        "rule": "!self.endsWith(':443/mcp')",
        "message": "leave :443 out of publicURL: clients compare the URL byte for byte",
    })
}

impl PublicUrl {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host name, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        let authority = self.0.strip_prefix("https://").unwrap_or(&self.0);
        authority.split([':', '/']).next().unwrap_or_default()
    }
}

impl From<&str> for PublicUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_no_port_and_no_path() {
        for url in ["https://mcp.example.com:8443/mcp", "https://mcp.example.com/mcp"] {
            assert_eq!(PublicUrl::from(url).host(), "mcp.example.com", "{url}");
        }
    }
}
