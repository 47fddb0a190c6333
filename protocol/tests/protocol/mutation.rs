//! Damages texts as a broken or hostile peer would.

use proptest::prelude::*;
use proptest::sample::Index;

/// One change of a text at a place.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    /// Repeats a part, as a doubled member or a smuggled second value would.
    Repeat(Index, usize),
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "\"", "\\u0000", "\\ud800", "{", "[", "}", "null", "-0", "1e400", ":", "%3A", "\u{feff}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), piece).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ];
    prop::collection::vec(change, 1..4)
}

pub(crate) fn changed(text: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, piece) => {
                let at = at.index(bytes.len());
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            Change::Delete(at, length) => {
                let at = at.index(bytes.len());
                drop(bytes.drain(at..bytes.len().min(at + length)));
            }
            Change::Repeat(at, length) => {
                let at = at.index(bytes.len());
                let part = bytes[at..bytes.len().min(at + length)].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes
}
