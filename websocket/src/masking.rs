//! Removes the mask of a client's payload (RFC 6455, section 5.3).

/// Unmasks a part of a payload in place. `offset` is its position in the payload.
pub(crate) fn unmask(part: &mut [u8], mut mask: [u8; 4], offset: usize) {
    mask.rotate_left(offset % 4);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = part.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_unmasked_the_same_wherever_it_is_cut() {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let masked: Vec<u8> = (0..40).collect();
        let expected: Vec<u8> =
            masked.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for cut in 0..=masked.len() {
            let mut payload = masked.clone();
            let (front, back) = payload.split_at_mut(cut);
            unmask(front, mask, 0);
            unmask(back, mask, cut);
            assert_eq!(payload, expected, "cut at {cut}");
        }
    }
}
