//! Conversions between values of the core and columns of the store.

use protocol::frame::Outcome;

use crate::core::{RowId, RowKind};

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

pub(super) const fn kind_from_number(number: i64) -> Option<RowKind> {
    match number {
        0 => Some(RowKind::Message),
        1 => Some(RowKind::Notice { outcome: Outcome::Expired, reason: None }),
        2 => Some(RowKind::Notice { outcome: Outcome::Dropped, reason: None }),
        3 => Some(RowKind::Notice { outcome: Outcome::Refused, reason: None }),
        _ => None,
    }
}
