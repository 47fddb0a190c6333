//! Frames that are written while the hub is locked, because their place among the deliveries of a
//! connection matters: fixed text around a few values, without a serializer.

use std::fmt::Display;
use std::io::Write as _;

use protocol::UnixSeconds;
use protocol::did::TenantId;
use protocol::envelope::MessageId;
use protocol::frame::{Outcome, SessionLimits, feature, method};
use protocol::refusal::RefusalReason;

/// The result of a registration. What is the same for every session is written once.
#[derive(Debug)]
pub(super) struct RegistrationFrame {
    window: u64,
    /// The limits and the features as JSON.
    limits: String,
    features: String,
}

/// A notice. Neither the agent's name nor the words need an escape.
#[derive(Debug)]
pub(super) struct NoticeFrame<'a> {
    pub(super) epoch: u64,
    pub(super) seq: u64,
    pub(super) id: MessageId,
    pub(super) to: &'a str,
    pub(super) outcome: Outcome,
    pub(super) at: UnixSeconds,
    pub(super) reason: Option<RefusalReason>,
    pub(super) missed: u64,
}

impl RegistrationFrame {
    pub(super) fn new(limits: &SessionLimits) -> Self {
        let json = |value: serde_json::Result<String>| value.unwrap_or_else(|_| "null".into());
        Self {
            window: limits.window_messages,
            limits: json(serde_json::to_string(limits)),
            features: json(serde_json::to_string(&[feature::REFUSE])),
        }
    }

    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        request: impl Display,
        (epoch, tenant, pending): (u64, &TenantId, u64),
        time: UnixSeconds,
    ) {
        let Self { window, limits, features } = self;
        let _ = write!(
            out,
            r#"{{"jsonrpc":"2.0","id":{request},"result":{{"epoch":{epoch},"tenant":"{tenant}","window":{window},"pending":{pending},"limits":{limits},"features":{features},"time":{time}}}}}"#,
        );
    }
}

impl NoticeFrame<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { epoch, seq, id, to, outcome, at, reason, missed } = self;
        let (method, outcome) = (method::NOTICE, outcome.as_str());
        let _ = write!(
            out,
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"epoch":{epoch},"seq":{seq},"id":"{id}","to":"{to}","outcome":"{outcome}","at":{at}"#,
        );
        if let Some(reason) = reason {
            let _ = write!(out, r#","reason":"{}""#, reason.as_str());
        }
        if *missed > 0 {
            let _ = write!(out, r#","missed":{missed}"#);
        }
        out.extend_from_slice(b"}}");
    }
}

#[cfg(test)]
mod tests {
    use protocol::frame::{NoticeParams, RegisterResult, write_notification, write_result};

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_registration_is_what_the_serializer_writes() {
        let limits = SessionLimits { window_messages: 7, ..SessionLimits::default() };
        let (tenant, time) = ("acme".parse::<TenantId>().unwrap(), 1_790_000_000);
        let features = vec![feature::REFUSE.to_owned()];
        let result = RegisterResult {
            epoch: 9,
            tenant: tenant.clone(),
            window: 7,
            pending: 3,
            limits,
            features,
            time: Some(time),
        };
        let frame = RegistrationFrame::new(&limits);
        assert_eq!(
            written(|out| frame.write(out, "\"x\"", (9, &tenant, 3), time)),
            written(|out| write_result(out, "\"x\"", &result))
        );
    }

    #[test]
    fn a_notice_is_what_the_serializer_writes() {
        let (id, to) = (MessageId::new(7, [3; 10]), "did:wba:example.com:agent:acme:bob");
        for outcome in Outcome::ALL {
            for reason in RefusalReason::ALL.iter().copied().map(Some).chain([None]) {
                for missed in [0, 5] {
                    let (epoch, seq, at) = (4, 2, 1_790_000_000);
                    let frame = NoticeFrame { epoch, seq, id, to, outcome, at, reason, missed };
                    let to = to.parse().unwrap();
                    let params = NoticeParams { epoch, seq, id, to, outcome, at, reason, missed };
                    assert_eq!(
                        written(|out| frame.write(out)),
                        written(|out| write_notification(out, method::NOTICE, &params))
                    );
                }
            }
        }
    }
}
