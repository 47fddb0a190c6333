//! Builds frames as clients send them: masked.

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) const FINAL: u8 = 0x80;

const MASK: [u8; 4] = [0x9a, 0x01, 0xff, 0x37];

/// The last frame of a message, or a control frame.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    with_first_byte(FINAL | opcode, payload)
}

/// A frame whose message continues.
pub(crate) fn fragment(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    with_first_byte(opcode, payload)
}

/// A frame with any first byte: the final bit, the reserved bits and the opcode.
pub(crate) fn with_first_byte(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = header(first, payload.len());
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    for (byte, key) in bytes.iter_mut().skip(start).zip(MASK.iter().cycle()) {
        *byte ^= key;
    }
    bytes
}

/// A header that says how long its payload will be.
pub(crate) fn header(first: u8, payload_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload_bytes {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes
}

/// The payload of a close frame.
pub(crate) fn close_payload(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [code.to_be_bytes().as_slice(), reason.as_ref()].concat()
}

/// A frame as the server sends it.
pub(crate) fn server_frame(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = vec![FINAL | opcode, u8::try_from(payload.len()).unwrap()];
    bytes.extend_from_slice(payload);
    bytes
}
