//! Checks DNS, TCP and TLS, as a client does before HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::{Component, Fault};
use super::route::find_route;
use super::target::Target;

/// How long each step may take. Clients give up on discovery after about ten seconds.
const STAGE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Fault> {
    if let Some(address) = find_route(&target.routes, &target.host, target.port) {
        return Ok(vec![address]);
    }
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let unresolved = |why: String| {
        let remedy = "check the host name; *.svc names resolve only inside the cluster (use m2a doctor agent/NAME, \
                      which forwards ports), and hosted clients need a public DNS record";
        Fault::new(Component::Network, format!("{host} does not resolve: {why}"), remedy)
    };
    let found = timeout(STAGE_TIMEOUT, tokio::net::lookup_host((host, target.port))).await;
    let found = found.map_err(|_| unresolved("DNS did not answer in time".into()))?;
    let addresses: Vec<_> = found.map_err(|e| unresolved(e.to_string()))?.collect();
    if addresses.is_empty() { Err(unresolved("DNS returned no address".into())) } else { Ok(addresses) }
}

/// Connects to the first address that accepts a connection.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut last = None;
    for address in addresses {
        match timeout(STAGE_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => last = Some(refused(*address, &error)),
            Err(_) => last = Some(no_answer(*address)),
        }
    }
    Err(last.unwrap_or_else(|| {
        Fault::new(Component::Network, "there is no address to connect to", "check the host name")
    }))
}

fn refused(address: SocketAddr, error: &io::Error) -> Fault {
    let cause = format!("{address} accepts no connection: {error}");
    if error.kind() == io::ErrorKind::ConnectionRefused {
        let remedy = "nothing listens there: check that the endpoint's pod is ready (kubectl get pods, kubectl describe \
                      agent)";
        return Fault::new(Component::Endpoint, cause, remedy);
    }
    Fault::new(Component::Network, cause, "check the network between this machine and that address")
}

fn no_answer(address: SocketAddr) -> Fault {
    let cause = format!("{address} did not answer within {} s", STAGE_TIMEOUT.as_secs());
    let remedy = "packets are dropped: check firewalls and the NetworkPolicies of both namespaces, which must allow \
                  clients to reach the endpoint's port";
    Fault::new(Component::Network, cause, remedy)
}

pub(super) async fn tls_handshake(
    stream: TcpStream,
    target: &Target,
    config: Arc<ClientConfig>,
) -> Result<String, Fault> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|_| {
        Fault::new(
            Component::Client,
            "the host of the URL is not valid for TLS",
            "use the DNS name in the certificate",
        )
    })?;
    match timeout(STAGE_TIMEOUT, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            Ok(version.map_or_else(|| "TLS".into(), |version| format!("{version:?}")))
        }
        Ok(Err(error)) => Err(handshake_fault(&error, &target.host)),
        Err(_) => Err(Fault::new(
            Component::Endpoint,
            "the TLS handshake did not complete in time",
            "check that the port serves TLS",
        )),
    }
}

fn handshake_fault(error: &io::Error, host: &str) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => certificate_fault(problem, host),
        _ => Fault::new(
            Component::Endpoint,
            format!("the TLS handshake failed: {error}"),
            "check that the port serves TLS",
        ),
    }
}

fn certificate_fault(problem: &CertificateError, host: &str) -> Fault {
    let (cause, remedy) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the endpoint's certificate has expired".to_owned(),
            "check the clock of this machine, and renew the certificate (the operator renews its own: kubectl \
             describe agent shows why it could not)",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the endpoint's certificate is not valid yet".to_owned(),
            "check the clocks of this machine and of the certificate's issuer",
        ),
        CertificateError::UnknownIssuer => (
            "the endpoint's certificate is from an authority that is not trusted here".to_owned(),
            "use --ca-file (ca.crt of the agent's Secrets NAME-mcp-tls and NAME-relay); hosted clients such as \
             claude.ai need a certificate of a public authority",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the endpoint's certificate is not for {host}"),
            "use a host name in the certificate, or issue one for this host name",
        ),
        other => (format!("the endpoint's certificate does not verify: {other}"), "replace the certificate"),
    };
    Fault::new(Component::Endpoint, cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_fault_has_its_own_cause() {
        let causes: Vec<_> = [
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::BadSignature,
        ]
        .iter()
        .map(|problem| certificate_fault(problem, "mcp.example.com").cause)
        .collect();
        assert!(causes[0].contains("expired") && causes[1].contains("not valid yet"));
        assert!(causes[2].contains("not trusted") && causes[3].contains("not for mcp.example.com"));
        assert!(causes[4].contains("does not verify"));
    }

    #[test]
    fn a_closed_port_blames_the_endpoint_and_a_silent_one_the_network() {
        let address = "127.0.0.1:1".parse().unwrap();
        let refused = refused(address, &io::ErrorKind::ConnectionRefused.into());
        assert_eq!((refused.side, no_answer(address).side), (Component::Endpoint, Component::Network));
        assert!(no_answer(address).remedy.contains("NetworkPolicies"));
    }
}
