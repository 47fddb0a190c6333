//! Conversions between values of the core and columns of the store.

use protocol::frame::Outcome;
use protocol::refusal::RefusalReason;

use crate::core::{RowId, RowKind, RowState};

/// Row numbers as a JSON array, the single parameter of statements over many rows.
pub(super) fn json_array(rows: impl Iterator<Item = RowId>) -> String {
    let mut text = String::from("[");
    for (index, row) in rows.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{comma}{row}"));
    }
    text.push(']');
    text
}

pub(super) const fn kind_number(kind: RowKind) -> i64 {
    match kind {
        RowKind::Message => 0,
        RowKind::Notice { outcome: Outcome::Expired, .. } => 1,
        RowKind::Notice { outcome: Outcome::Dropped | Outcome::Delivered, .. } => 2,
        RowKind::Notice { outcome: Outcome::Refused, .. } => 3,
    }
}

pub(super) fn reason_number(kind: RowKind) -> Option<i64> {
    match kind {
        RowKind::Notice { reason, .. } => reason.map(|reason| reason.number().into()),
        RowKind::Message => None,
    }
}

pub(super) fn kind_from_numbers(kind: i64, reason: i64) -> Option<RowKind> {
    let reason = RefusalReason::ALL.iter().copied().find(|known| i64::from(known.number()) == reason);
    let outcome = match kind {
        0 => return Some(RowKind::Message),
        1 => Outcome::Expired,
        2 => Outcome::Dropped,
        3 => Outcome::Refused,
        _ => return None,
    };
    Some(RowKind::Notice { outcome, reason })
}

/// The state of a row that waits, or left its mailbox with an outcome.
pub(super) const fn state_number(left: Option<Outcome>) -> i64 {
    match left {
        None => 1,
        Some(Outcome::Delivered) => 0,
        Some(Outcome::Expired) => 2,
        Some(Outcome::Dropped) => 3,
        Some(Outcome::Refused) => 4,
    }
}

pub(super) const fn state_from_number(number: i64) -> Option<RowState> {
    Some(match number {
        0 => RowState::Left(Outcome::Delivered),
        1 => RowState::Waiting,
        2 => RowState::Left(Outcome::Expired),
        3 => RowState::Left(Outcome::Dropped),
        4 => RowState::Left(Outcome::Refused),
        _ => return None,
    })
}
