//! Resolves how a caller refers to an agent: by its whole DID, or by its name in this agent's
//! tenant.

use protocol::Did;

use crate::tool_error::ToolError;

/// # Errors
/// The text is neither a DID nor a name.
pub(super) fn resolve(text: &str, own: &Did) -> Result<Did, ToolError> {
    if text.starts_with("did:") {
        return text.parse().map_err(ToolError::Did);
    }
    let name = text.parse().map_err(ToolError::Name)?;
    let domain = own.domain().parse().map_err(|_| ToolError::Internal)?;
    Ok(Did::new(&domain, &own.tenant(), &name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::did;

    #[test]
    fn a_name_is_an_agent_of_the_own_tenant() {
        assert_eq!(resolve("bob", &did("me")).unwrap(), did("bob"));
        let own = "did:wba:localhost%3A8443:agent:me".parse().unwrap();
        assert_eq!(resolve("bob", &own).unwrap().as_str(), "did:wba:localhost%3A8443:agent:bob");
    }

    #[test]
    fn a_did_is_taken_as_it_is() {
        let other = "did:wba:example.org:agent:else:carol";
        assert_eq!(resolve(other, &did("me")).unwrap().as_str(), other);
    }

    #[test]
    fn anything_else_is_refused_with_advice() {
        for text in ["", "Bob", "bob@example.com", "did:web:example.com", "../bob"] {
            assert_eq!(resolve(text, &did("me")).unwrap_err().reason(), "invalid_arguments", "{text}");
        }
    }
}
