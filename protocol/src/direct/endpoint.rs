//! The address at which an agent can be reached without the relay, as its record lists it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{DIRECT_ENDPOINTS_MAX, DIRECT_SERVICE_TYPE};
use crate::document::{DidDocument, Service};

/// Bytes of a host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;
/// Bytes of one label of a host name.
const HOST_LABEL_BYTES_MAX: usize = 63;

/// An address `tls://<host>:<port>` that can be dialled: never an unspecified, multicast or
/// broadcast one.
///
/// ```
/// use msg2agent_protocol::direct::DirectEndpoint;
///
/// let endpoint: DirectEndpoint = "tls://192.0.2.7:7443".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("192.0.2.7", 7443));
/// assert!("tls://0.0.0.0:7443".parse::<DirectEndpoint>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DirectEndpoint {
    host: String,
    port: u16,
}

/// Why a text is no address of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectEndpointError {
    #[error("an address is tls://<host>:<port> with a port from 1 to 65535")]
    Shape,
    #[error("the host is neither an IP address nor a host name of a-z, 0-9, - and dots")]
    Host,
    #[error("nobody can be reached at an unspecified, multicast or broadcast address")]
    Unreachable,
    #[error("a record lists at most {DIRECT_ENDPOINTS_MAX} addresses")]
    TooMany,
}

impl DirectEndpoint {
    /// The address of a host and a port.
    ///
    /// # Errors
    /// Nobody can be reached there.
    pub fn new(host: &str, port: u16) -> Result<Self, DirectEndpointError> {
        if port == 0 {
            return Err(DirectEndpointError::Shape);
        }
        match host.parse::<IpAddr>() {
            Ok(address) if !is_unicast(address) => Err(DirectEndpointError::Unreachable),
            Ok(address) => Ok(Self { host: address.to_string(), port }),
            Err(_) if is_host_name(host) => Ok(Self { host: host.to_owned(), port }),
            Err(_) => Err(DirectEndpointError::Host),
        }
    }

    /// The host name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for DirectEndpoint {
    type Err = DirectEndpointError;

    fn from_str(text: &str) -> Result<Self, DirectEndpointError> {
        let rest = text.strip_prefix("tls://").ok_or(DirectEndpointError::Shape)?;
        let (host, port) = rest.rsplit_once(':').ok_or(DirectEndpointError::Shape)?;
        let digits = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
        let port = digits.then(|| port.parse().ok()).flatten().ok_or(DirectEndpointError::Shape)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match bracketed {
            Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => Self::new(inner, port),
            None if !host.contains(':') => Self::new(host, port),
            _ => Err(DirectEndpointError::Host),
        }
    }
}

impl fmt::Display for DirectEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tls://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tls://{}:{}", self.host, self.port)
        }
    }
}

fn is_unicast(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        plain
            && (1..=HOST_LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits alone would be an IPv4 address in another spelling.
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    host.len() <= HOST_BYTES_MAX && !numeric && host.split('.').all(is_label)
}

/// The service entries of these addresses, for the document with this id.
#[must_use]
pub fn services(id: &str, endpoints: &[DirectEndpoint]) -> Vec<Service> {
    let service = |(number, endpoint): (usize, &DirectEndpoint)| Service {
        id: format!("{id}#direct-{}", number + 1),
        r#type: DIRECT_SERVICE_TYPE.to_owned(),
        service_endpoint: endpoint.to_string(),
    };
    endpoints.iter().take(DIRECT_ENDPOINTS_MAX).enumerate().map(service).collect()
}

/// The addresses that a verified document lists. What this version cannot read is left out.
#[must_use]
pub fn endpoints_of(document: &DidDocument) -> Vec<DirectEndpoint> {
    let listed = document.service.iter().filter(|service| service.r#type == DIRECT_SERVICE_TYPE);
    listed.filter_map(|service| service.service_endpoint.parse().ok()).take(DIRECT_ENDPOINTS_MAX).collect()
}

/// Checks the addresses of a document that is registered now. A reader leaves out what it cannot
/// read; the relay does not admit it.
///
/// # Errors
/// The first address that cannot be dialled, or too many of them.
pub fn check_services(document: &DidDocument) -> Result<(), DirectEndpointError> {
    let listed = || document.service.iter().filter(|service| service.r#type == DIRECT_SERVICE_TYPE);
    if listed().count() > DIRECT_ENDPOINTS_MAX {
        return Err(DirectEndpointError::TooMany);
    }
    listed().try_for_each(|service| service.service_endpoint.parse::<DirectEndpoint>().map(drop))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_can_dial_is_no_address() {
        for text in [
            "tls://0.0.0.0:1",
            "tls://[::]:1",
            "tls://[::ffff:0.0.0.0]:1",
            "tls://224.0.0.1:1",
            "tls://[ff02::1]:1",
            "tls://255.255.255.255:1",
        ] {
            assert_eq!(text.parse::<DirectEndpoint>(), Err(DirectEndpointError::Unreachable), "{text}");
        }
        for text in ["tls://a:0", "tls://a:65536", "tls://a", "tcp://a:1", "tls://a:+1", ""] {
            assert_eq!(text.parse::<DirectEndpoint>(), Err(DirectEndpointError::Shape), "{text}");
        }
        for text in ["tls://A.example:1", "tls://a b:1", "tls://[1.2.3.4]:1", "tls://::1:1", "tls://127.1:1"]
        {
            assert_eq!(text.parse::<DirectEndpoint>(), Err(DirectEndpointError::Host), "{text}");
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in
            ["tls://192.0.2.7:7443", "tls://[2001:db8::7]:7443", "tls://alice.example:1", "tls://[::1]:9"]
        {
            assert_eq!(text.parse::<DirectEndpoint>().unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_read_again(text in "(tls://)?[\\[\\]a-z0-9:.%-]{0,40}") {
            if let Ok(endpoint) = text.parse::<DirectEndpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<DirectEndpoint>().unwrap(), endpoint);
            }
        }
    }
}
