//! The metadata of Claude's clients, reviewed and built in. Their documents change about once a
//! year, and fetching them from a data centre sometimes returns a page for browsers instead.

use super::client::Client;
use super::redirect_uri::RedirectUri;

const CLAUDE_CODE: &str = "https://claude.ai/oauth/claude-code-client-metadata";
const CLAUDE: &str = "https://claude.ai/oauth/mcp-oauth-client-metadata";

/// The built-in client whose metadata document has this URL.
pub(crate) fn find(client_id: &str) -> Option<Client> {
    let (name, redirects): (_, &[&str]) = match client_id {
        CLAUDE_CODE => ("Claude Code", &["http://localhost/callback", "http://127.0.0.1/callback"]),
        CLAUDE => (
            "Claude",
            &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
        ),
        _ => return None,
    };
    let redirect_uris = redirects.iter().filter_map(|uri| RedirectUri::parse(uri).ok()).collect();
    Some(Client { id: client_id.to_owned(), name: name.to_owned(), redirect_uris })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_claudes_are_known_with_their_callbacks() {
        let code = find(CLAUDE_CODE).unwrap();
        assert!(code.redirect("http://localhost:61234/callback").is_some());
        assert!(code.redirect("http://127.0.0.1:61234/callback").is_some());
        let web = find(CLAUDE).unwrap();
        assert!(web.redirect("https://claude.ai/api/mcp/auth_callback").is_some());
        assert!(web.redirect("https://claude.com/api/mcp/auth_callback").is_some());
        assert!(web.redirect("http://localhost:61234/callback").is_none());
        assert!(find("https://claude.ai/oauth/other").is_none());
    }
}
