//! Filters for what a test looks for among the effects of a step.

use bytes::Bytes;
use protocol::Reason;
use protocol::frame::{Outcome, SendStatus};

use crate::core::{Effect, RowId, SendError, Write, WriteRow};

pub(super) fn deliveries(effects: &[Effect]) -> Vec<(u64, u64)> {
    let delivery = |effect: &Effect| match effect {
        Effect::Deliver { conn, seq, .. } => Some((conn.0, *seq)),
        _ => None,
    };
    effects.iter().filter_map(delivery).collect()
}

pub(super) fn bodies(effects: &[Effect]) -> Vec<Bytes> {
    let body = |effect: &Effect| match effect {
        Effect::Deliver { envelope, .. } => Some(envelope.clone()),
        _ => None,
    };
    effects.iter().filter_map(body).collect()
}

pub(super) fn rows(effects: &[Effect]) -> Vec<RowId> {
    inserted(effects).iter().map(|row| row.row).collect()
}

pub(super) fn inserted(effects: &[Effect]) -> Vec<&WriteRow> {
    let writes = effects.iter().filter_map(|effect| match effect {
        Effect::Write(Write::Insert(row)) => Some(row),
        _ => None,
    });
    writes.collect()
}

/// The rows that are removed, and the outcome that the store remembers of each.
pub(super) fn removals(effects: &[Effect]) -> Vec<(RowId, Option<Outcome>)> {
    let removal = |effect: &Effect| match effect {
        Effect::Write(Write::Remove { row, outcome }) => Some((*row, *outcome)),
        _ => None,
    };
    effects.iter().filter_map(removal).collect()
}

pub(super) fn status(effects: &[Effect]) -> Option<SendStatus> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer { status, .. } => Some(*status),
        _ => None,
    })
}

pub(super) fn error(effects: &[Effect]) -> Option<SendError> {
    effects.iter().find_map(|effect| match effect {
        Effect::Refuse { error, .. } => Some(**error),
        _ => None,
    })
}

pub(super) fn refusal(effects: &[Effect]) -> Option<Reason> {
    error(effects).map(|error| error.reason)
}

/// Sequence number, outcome and number of missed ones of each notice.
pub(super) fn notices(effects: &[Effect]) -> Vec<(u64, Outcome, u64)> {
    let notice = |effect: &Effect| match effect {
        Effect::Notice { seq, outcome, missed, .. } => Some((*seq, *outcome, *missed)),
        _ => None,
    };
    effects.iter().filter_map(notice).collect()
}

pub(super) fn epoch(effects: &[Effect]) -> u64 {
    let registered = effects.iter().find_map(|effect| match effect {
        Effect::Registered { epoch, .. } => Some(*epoch),
        _ => None,
    });
    registered.unwrap()
}
