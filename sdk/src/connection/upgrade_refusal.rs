//! Says what it means that the relay refuses the WebSocket upgrade. Pure.

use std::time::Duration;

use http::StatusCode;
use protocol::Reason;

use super::disconnect::{Disconnect, suspended};
use crate::error::{Error, ErrorKind};

/// The relay's answer to the upgrade, if it is not 101.
pub(super) struct UpgradeRefusal {
    pub(super) status: StatusCode,
    /// The relay's reason; `None` if something in front of it has answered.
    pub(super) reason: Option<Reason>,
    pub(super) retry_after: Option<Duration>,
}

impl UpgradeRefusal {
    pub(super) fn into_disconnect(self, url: &str) -> Disconnect {
        let word = self.reason.map_or("no reason given", Reason::as_str);
        let cause = format!("the relay answered HTTP {}: {word}", self.status.as_u16());
        if self.reason == Some(Reason::Suspended) {
            return Disconnect::Suspended(suspended(cause));
        }
        let unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let (attempt, advice) = self.meaning(url);
        let kind = if unauthorized { ErrorKind::Unauthorized } else { ErrorKind::Connect };
        let error = Error::new(kind, attempt)
            .with_reason(self.reason)
            .retrying_after(self.retry_after)
            .caused_by(cause)
            .advising(self.reason.map_or(advice, Reason::advice));
        if unauthorized { Disconnect::Unauthorized(error) } else { Disconnect::Lost(error) }
    }

    /// The text of the error, and a remedy for when the relay gives no reason.
    fn meaning(&self, url: &str) -> (String, &'static str) {
        match self.status {
            StatusCode::UNAUTHORIZED => {
                (format!("the relay at {url} rejects the API key"), "use the agent's current API key")
            }
            StatusCode::FORBIDDEN => (
                format!("{url} forbids the connection"),
                "check the proxy or gateway in front of the relay, and the permissions of the agent",
            ),
            StatusCode::NOT_FOUND => (
                format!("{url} serves no relay"),
                "check the path of the URL, which ends in /ws, and where the ingress leads",
            ),
            StatusCode::UPGRADE_REQUIRED => (
                format!("{url} needs another version of the protocol"),
                "let the proxy pass WebSocket upgrades; update the agent if the relay is newer",
            ),
            StatusCode::TOO_MANY_REQUESTS => {
                (format!("the relay at {url} has too many connections"), "close agents that are not needed")
            }
            StatusCode::SERVICE_UNAVAILABLE => (
                format!("the relay at {url} is not available now"),
                "wait; the agent connects again by itself",
            ),
            _ => (format!("cannot connect to {url}"), "check the relay, its URL and its certificate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, reason: Option<Reason>, retry_after: Option<Duration>) -> (Disconnect, Error) {
        let refusal =
            || UpgradeRefusal { status: StatusCode::from_u16(status).unwrap(), reason, retry_after };
        let url = "wss://relay.example/ws";
        (refusal().into_disconnect(url), refusal().into_disconnect(url).into_error())
    }

    #[test]
    fn each_status_has_a_text_of_its_own() {
        let texts: std::collections::BTreeSet<_> = [401, 403, 404, 426, 429, 500, 503]
            .map(|status| refused(status, None, None).1.to_string())
            .into_iter()
            .collect();
        assert_eq!(texts.len(), 7);
        assert!(texts.iter().all(|text| text.contains("wss://relay.example/ws")));
    }

    #[test]
    fn the_relay_says_when_to_come_again() {
        let after = Some(Duration::from_secs(3));
        let (disconnect, error) = refused(503, Some(Reason::Overloaded), after);
        assert!(matches!(disconnect, Disconnect::Lost(_)));
        assert_eq!((error.retry_after(), error.reason()), (after, Some(Reason::Overloaded)));
        assert_eq!(error.advice(), Some(Reason::Overloaded.advice()));
    }

    #[test]
    fn only_a_refused_key_and_a_suspension_are_more_than_a_lost_connection() {
        assert!(matches!(refused(401, Some(Reason::KeyExpired), None).0, Disconnect::Unauthorized(_)));
        assert!(matches!(refused(403, Some(Reason::Suspended), None).0, Disconnect::Suspended(_)));
        assert!(matches!(refused(403, None, None).0, Disconnect::Lost(_)));
    }
}
