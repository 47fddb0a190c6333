//! Reads the extensions that a client names, and finds those that apply.

use axum::http::HeaderMap;

use crate::error::{A2aError, ErrorKind};
use crate::model::{AgentExtension, TEXTS_MAX};

/// The header of extensions. Version 0.3 put `X-` before it, and that is read too.
pub(crate) const EXTENSIONS_HEADER: &str = "A2A-Extensions";

/// The extensions that both sides have.
///
/// An extension that the agent does not have is ignored, unless it is the client that lacks a
/// required one (specification 4.6.3).
pub(crate) fn negotiate(headers: &HeaderMap, offered: &[AgentExtension]) -> Result<Vec<String>, A2aError> {
    let named = named(headers);
    let lacking = offered.iter().find(|extension| extension.required && !named.contains(&extension.uri));
    if let Some(extension) = lacking {
        let message = format!("this agent requires the extension {}; declare it", extension.uri);
        return Err(A2aError::new(ErrorKind::ExtensionSupportRequired, message)
            .with_metadata("extension", extension.uri.clone()));
    }
    let shared = offered.iter().filter(|extension| named.contains(&extension.uri));
    Ok(shared.map(|extension| extension.uri.clone()).collect())
}

fn named(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(EXTENSIONS_HEADER).iter().chain(headers.get_all("X-A2A-Extensions").iter());
    let uris = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    uris.map(|uri| uri.trim().to_owned()).filter(|uri| !uri.is_empty()).take(TEXTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(uri: &str, required: bool) -> AgentExtension {
        AgentExtension { uri: uri.into(), description: String::new(), required, params: None }
    }

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        values.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_what_both_sides_have_applies() {
        let offered = [extension("urn:a", false), extension("urn:b", true)];
        let named = headers(&[("a2a-extensions", "urn:x, urn:b"), ("x-a2a-extensions", "urn:a")]);
        assert_eq!(negotiate(&named, &offered).unwrap(), ["urn:a", "urn:b"]);
    }

    #[test]
    fn a_client_without_a_required_extension_is_told_which() {
        let error = negotiate(&HeaderMap::new(), &[extension("urn:b", true)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ExtensionSupportRequired);
        assert_eq!(error.metadata().get("extension").map(String::as_str), Some("urn:b"));
    }
}
