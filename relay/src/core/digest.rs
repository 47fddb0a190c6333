//! A digest of an envelope, which tells a repetition from another message with the same id.
//!
//! It is not cryptographic. A sender who makes two of its own envelopes collide harms only itself:
//! the second one is taken for a repetition of the first. The digest is stored, so the function
//! must never change.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

pub fn digest(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut hash = fold(bytes.len() as u64 ^ MULTIPLIER);
    for chunk in chunks {
        hash = fold(hash ^ u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    fold(hash ^ u64::from_le_bytes(last))
}

/// Mixes both halves of a 128-bit product, so that high input bits reach low output bits.
#[expect(clippy::cast_possible_truncation, reason = "the halves of the product are wanted")]
const fn fold(value: u64) -> u64 {
    let product = (value as u128).wrapping_mul(MULTIPLIER as u128);
    (product as u64) ^ ((product >> 64) as u64).rotate_left(23) ^ value.rotate_left(41)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_changed_byte_or_length_changes_the_digest() {
        let text = vec![7u8; 100];
        let mut seen = HashSet::from([digest(&text)]);
        for position in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.clone();
                other[position] ^= 1 << bit;
                assert!(seen.insert(digest(&other)), "byte {position} bit {bit}");
            }
        }
        assert!(seen.insert(digest(&text[..99])));
    }
}
