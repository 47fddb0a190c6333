//! Reads the version of the protocol that a request speaks.

use axum::http::HeaderMap;

use crate::error::{A2aError, ErrorKind};

use super::route::Interface;

/// The header, and the parameter of a URL, that says the version.
pub(crate) const VERSION_HEADER: &str = "A2A-Version";

/// A version that is served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolVersion {
    V0_3,
    V1_0,
}

impl ProtocolVersion {
    /// The version of a request, which is 0.3 where it says none (specification 3.6.2). A patch
    /// number is not looked at.
    pub(crate) fn of(headers: &HeaderMap, query: &str, interface: Interface) -> Result<Self, A2aError> {
        let parameter = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name.eq_ignore_ascii_case(VERSION_HEADER))
            .map(|(_, value)| value.into_owned());
        let mut said: Vec<_> = headers
            .get_all(VERSION_HEADER)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .chain(parameter)
            .filter(|value| !value.is_empty())
            .collect();
        said.dedup();
        let version = match said.as_slice() {
            [] => Some(Self::V0_3),
            [one] => Self::parse(one),
            _ => None,
        };
        let accepted = version.filter(|version| interface == Interface::Current || *version == Self::V0_3);
        accepted.ok_or_else(|| not_supported(&said.join(", "), interface))
    }

    fn parse(text: &str) -> Option<Self> {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<_> = text.split('.').collect();
        match parts.as_slice() {
            ["1", "0"] => Some(Self::V1_0),
            ["0", "3"] => Some(Self::V0_3),
            ["1", "0", patch] if is_number(patch) => Some(Self::V1_0),
            ["0", "3", patch] if is_number(patch) => Some(Self::V0_3),
            _ => None,
        }
    }
}

/// The error for a version that this interface does not speak.
pub(crate) fn not_supported(said: &str, interface: Interface) -> A2aError {
    let supported = match interface {
        Interface::Current => "1.0, 0.3",
        Interface::Legacy => "0.3",
    };
    let message = format!("the version \"{said}\" of A2A is not supported here; {supported} is");
    A2aError::new(ErrorKind::VersionNotSupported, message).with_metadata("supportedVersions", supported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(headers: &[&str], query: &str) -> Result<ProtocolVersion, ErrorKind> {
        let headers = headers.iter().map(|value| (VERSION_HEADER.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.collect();
        ProtocolVersion::of(&headers, query, Interface::Current).map_err(|error| error.kind())
    }

    #[test]
    fn no_version_is_0_3_and_patches_do_not_matter() {
        for (headers, query, expected) in [
            (&[][..], "", ProtocolVersion::V0_3),
            (&[""], "", ProtocolVersion::V0_3),
            (&["1.0"], "", ProtocolVersion::V1_0),
            (&["1.0.7"], "", ProtocolVersion::V1_0),
            (&["0.3"], "", ProtocolVersion::V0_3),
            (&["0.3.0"], "", ProtocolVersion::V0_3),
            (&[], "A2A-Version=1.0", ProtocolVersion::V1_0),
            (&["1.0"], "a2a-version=1.0", ProtocolVersion::V1_0),
        ] {
            assert_eq!(version(headers, query), Ok(expected), "{headers:?} {query}");
        }
    }

    #[test]
    fn any_other_version_is_not_supported() {
        for said in ["99.0", "0.5", "1", "1.1", "2.0", "v1.0", "1.0.x", "1.0.", "x"] {
            assert_eq!(version(&[said], ""), Err(ErrorKind::VersionNotSupported), "{said}");
        }
        assert_eq!(version(&["1.0", "0.3"], ""), Err(ErrorKind::VersionNotSupported));
        assert_eq!(version(&["1.0"], "A2A-Version=0.3"), Err(ErrorKind::VersionNotSupported));
    }

    #[test]
    fn the_interface_of_0_3_does_not_speak_1_0() {
        let headers = HeaderMap::from_iter([(VERSION_HEADER.parse().unwrap(), "1.0".parse().unwrap())]);
        let error = ProtocolVersion::of(&headers, "", Interface::Legacy).unwrap_err();
        assert_eq!(error.metadata().get("supportedVersions").map(String::as_str), Some("0.3"));
    }
}
