//! Whom a caller means: a whole DID, or the name of an agent in the caller's own tenant.

use protocol::Did;

use crate::tool_error::ToolError;

/// # Errors
/// Neither a DID nor a name.
pub(super) fn resolve(text: &str, me: &Did) -> Result<Did, ToolError> {
    if text.starts_with("did:") {
        return text.parse().map_err(ToolError::Did);
    }
    let name = text.parse().map_err(ToolError::Name)?;
    let domain = me.domain().parse().map_err(|_| ToolError::Internal)?;
    Ok(Did::new(&domain, &me.tenant(), &name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::did;

    #[test]
    fn a_name_is_an_agent_of_the_own_tenant() {
        assert_eq!(resolve("bob", &did("me")).unwrap(), did("bob"));
        let me = "did:wba:localhost%3A8443:agent:me".parse().unwrap();
        assert_eq!(resolve("bob", &me).unwrap().as_str(), "did:wba:localhost%3A8443:agent:bob");
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
