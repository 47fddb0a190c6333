//! Counts the text frames in the bytes of the relay, without memory of its own.

/// First byte of a text frame that is a whole message.
const TEXT: u8 = 0x81;
/// Bytes of the longest header that a server sends.
const HEADER_BYTES_MAX: usize = 10;

#[derive(Debug, Default)]
pub(crate) struct FrameCounter {
    header: [u8; HEADER_BYTES_MAX],
    filled: usize,
    /// Bytes of the payload that have not come.
    missing: usize,
}

impl FrameCounter {
    /// How many text frames begin in these bytes.
    pub(crate) fn count(&mut self, mut bytes: &[u8]) -> usize {
        let mut texts = 0;
        while !bytes.is_empty() {
            let skipped = self.missing.min(bytes.len());
            self.missing -= skipped;
            bytes = bytes.get(skipped..).unwrap();
            let Some((byte, rest)) = bytes.split_first() else { break };
            self.header[self.filled] = *byte;
            self.filled += 1;
            bytes = rest;
            if let Some(payload_bytes) = self.payload_bytes() {
                texts += usize::from(self.header[0] == TEXT);
                (self.filled, self.missing) = (0, payload_bytes);
            }
        }
        texts
    }

    /// The length of the payload once the header is complete.
    fn payload_bytes(&self) -> Option<usize> {
        let [_, short, a, b, c, d, e, f, g, h] = self.header;
        match (self.filled, short) {
            (2, 0..126) => Some(short.into()),
            (4, 126) => Some(u16::from_be_bytes([a, b]).into()),
            (10, 127) => usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok(),
            _ => None,
        }
    }

    /// Whether all frames that began are complete.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.missing == 0 && self.filled == 0
    }
}
