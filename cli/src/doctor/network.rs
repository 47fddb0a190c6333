//! From the name to a TLS connection: what a client does before it speaks HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::{Fault, Side};
use super::forward;
use super::target::Target;

/// Time for each stage. Clients give up on discovery after about ten seconds.
const STAGE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn name(target: &Target) -> Result<Vec<SocketAddr>, Fault> {
    if let Some(address) = forward::route(&target.routes, &target.host, target.port) {
        return Ok(vec![address]);
    }
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let unknown = |why: String| {
        let remedy = "check the name; a *.svc name resolves inside the cluster only (use m2a doctor agent/NAME, which forwards ports); a public \
                      client needs an A record";
        Fault::new(Side::Network, format!("{host} has no address: {why}"), remedy)
    };
    let found = timeout(STAGE_TIMEOUT, tokio::net::lookup_host((host, target.port))).await;
    let found = found.map_err(|_| unknown("no answer in time".into()))?;
    let addresses: Vec<_> = found.map_err(|e| unknown(e.to_string()))?.collect();
    if addresses.is_empty() { Err(unknown("the answer is empty".into())) } else { Ok(addresses) }
}

/// The first address that takes a connection.
pub(super) async fn port(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut last = None;
    for address in addresses {
        match timeout(STAGE_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => last = Some(refused(*address, &error)),
            Err(_) => last = Some(silent(*address)),
        }
    }
    Err(last
        .unwrap_or_else(|| Fault::new(Side::Network, "there is no address to connect to", "check the name")))
}

fn refused(address: SocketAddr, error: &io::Error) -> Fault {
    let cause = format!("{address} does not take a connection: {error}");
    if error.kind() == io::ErrorKind::ConnectionRefused {
        let remedy = "nothing listens there: see whether the endpoint's pod runs and is ready (kubectl get pods, kubectl describe agent)";
        return Fault::new(Side::Endpoint, cause, remedy);
    }
    Fault::new(Side::Network, cause, "check the route from here to that address")
}

fn silent(address: SocketAddr) -> Fault {
    let cause = format!("{address} does not answer within {} s", STAGE_TIMEOUT.as_secs());
    let remedy = "packets are dropped on the way: check the NetworkPolicies of both namespaces and firewalls; clients must be admitted to the endpoint's port";
    Fault::new(Side::Network, cause, remedy)
}

pub(super) async fn tls(
    stream: TcpStream,
    target: &Target,
    config: Arc<ClientConfig>,
) -> Result<String, Fault> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|_| {
        Fault::new(
            Side::Client,
            "the host of the URL is no name for TLS",
            "use the DNS name of the certificate",
        )
    })?;
    match timeout(STAGE_TIMEOUT, TlsConnector::from(config).connect(name, stream)).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            Ok(version.map_or_else(|| "TLS".into(), |version| format!("{version:?}")))
        }
        Ok(Err(error)) => Err(handshake_fault(&error, &target.host)),
        Err(_) => {
            Err(Fault::new(Side::Endpoint, "the TLS handshake does not end", "is that port a TLS port?"))
        }
    }
}

fn handshake_fault(error: &io::Error, host: &str) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => certificate_fault(problem, host),
        _ => Fault::new(
            Side::Endpoint,
            format!("the TLS handshake failed: {error}"),
            "is that port a TLS port?",
        ),
    }
}

fn certificate_fault(problem: &CertificateError, host: &str) -> Fault {
    let (cause, remedy) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the endpoint's certificate has expired".to_owned(),
            "renew it (the operator does by itself: kubectl describe agent shows why it could not), and check the clock of this machine",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the endpoint's certificate is not valid yet".to_owned(),
            "check the clock of this machine and of the one that made the certificate",
        ),
        CertificateError::UnknownIssuer => (
            "the endpoint's certificate is from an authority that is not trusted here".to_owned(),
            "give --ca-file (ca.crt of the agent's Secret); claude.ai and other hosted clients need a certificate of a public authority",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the endpoint's certificate is not for {host}"),
            "use a name of the certificate, or have the name put into it",
        ),
        other => (format!("the endpoint's certificate does not verify: {other}"), "replace the certificate"),
    };
    Fault::new(Side::Endpoint, cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_fault_has_its_own_cause() {
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
    fn a_port_without_a_listener_and_a_silent_one_are_told_apart() {
        let address = "127.0.0.1:1".parse().unwrap();
        let refused = refused(address, &io::ErrorKind::ConnectionRefused.into());
        assert_eq!((refused.side, silent(address).side), (Side::Endpoint, Side::Network));
        assert!(silent(address).remedy.contains("NetworkPolicies"));
    }
}
