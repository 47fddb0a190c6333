//! Finds misspelt environment variables: those with the prefix of the relay that no setting reads.

const PREFIX: &str = "MSG2AGENT_RELAY_";

/// The first variable, by name, that has the prefix of a setting and is none.
pub(super) fn unknown(names: impl Iterator<Item = String>, known: &[String]) -> Option<String> {
    names.filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !is_service_link(name)).min()
}

/// Kubernetes sets such variables in pods for a Service named `msg2agent-relay` or
/// `msg2agent-relay-…`. They are not settings.
fn is_service_link(name: &str) -> bool {
    let last = name.rsplit_once("_PORT").map(|(_, rest)| rest);
    let port = last.is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('_').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    port || name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_found_and_kubernetes_own_are_not() {
        let known = vec!["MSG2AGENT_RELAY_LISTEN".to_owned()];
        let found = |names: &[&str]| unknown(names.iter().map(ToString::to_string), &known);
        assert_eq!(found(&["MSG2AGENT_RELAY_LISTEN", "PATH", "MSG2AGENT_MCP_URL"]), None);
        assert_eq!(found(&["MSG2AGENT_RELAY_LISTN"]), Some("MSG2AGENT_RELAY_LISTN".into()));
        let kubernetes = [
            "MSG2AGENT_RELAY_PORT",
            "MSG2AGENT_RELAY_PORT_8443_TCP_ADDR",
            "MSG2AGENT_RELAY_SERVICE_HOST",
            "MSG2AGENT_RELAY_SERVICE_PORT_WSS",
            "MSG2AGENT_RELAY_ADMIN_PORT_8081_TCP",
        ];
        assert_eq!(found(&kubernetes), None);
    }
}
