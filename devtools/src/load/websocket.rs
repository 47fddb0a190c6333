//! Implements the part of RFC 6455 that the generator needs: it writes text frames (masked with a
//! zero key, which the server still has to unmask) and reads whole frames.

use anyhow::{bail, ensure};

/// Opcodes (section 5.2).
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Length markers of the two extended forms.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Bytes before the payload of a client's frame: flags, length, extended length, mask.
#[must_use]
pub const fn client_header_bytes(payload: usize) -> usize {
    match payload {
        ..126 => 6,
        126..65_536 => 8,
        _ => 14,
    }
}

/// Appends one text frame.
pub fn write_text(payload: &[u8], out: &mut Vec<u8>) {
    write(TEXT, payload, out);
}

/// Appends one binary frame.
pub fn write_binary(payload: &[u8], out: &mut Vec<u8>) {
    write(BINARY, payload, out);
}

fn write(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FIN | opcode);
    let length = payload.len();
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < LENGTH_16 => out.push(MASKED | short),
        (_, Ok(length)) => {
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(MASKED | LENGTH_64);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Calls `take` with each whole text or binary frame, answers pings into `reply`; the bytes that
/// were read.
///
/// # Errors
/// A close, a fragment, a masked frame, and what `take` refuses.
pub fn read(
    input: &[u8],
    reply: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut consumed = 0;
    while let Some((opcode, payload, length)) = first(input.get(consumed..).unwrap_or_default())? {
        match opcode {
            TEXT | BINARY => take(payload)?,
            PING => write(PONG, payload, reply),
            PONG => (),
            CLOSE => bail!("the server closes with {}", close_code(payload)),
            other => bail!("the server sends a frame with opcode {other}"),
        }
        consumed += length;
    }
    Ok(consumed)
}

/// Opcode, payload and whole length of the first frame, if it is there.
fn first(input: &[u8]) -> anyhow::Result<Option<(u8, &[u8], usize)>> {
    let [flags, length, rest @ ..] = input else { return Ok(None) };
    ensure!(flags & FIN != 0, "the server sends a fragment");
    ensure!(length & MASKED == 0, "the server masks a frame");
    let (extended, length) = match *length {
        LENGTH_16 => {
            let Some(bytes) = rest.first_chunk() else { return Ok(None) };
            (2, usize::from(u16::from_be_bytes(*bytes)))
        }
        LENGTH_64 => {
            let Some(bytes) = rest.first_chunk() else { return Ok(None) };
            (8, usize::try_from(u64::from_be_bytes(*bytes))?)
        }
        short => (0, usize::from(short)),
    };
    let payload = rest.get(extended..).and_then(|rest| rest.get(..length));
    Ok(payload.map(|payload| (flags & 0x0f, payload, 2 + extended + length)))
}

fn close_code(payload: &[u8]) -> String {
    let code = payload.first_chunk().map_or(1005, |bytes| u16::from_be_bytes(*bytes));
    format!("{code} {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &[u8]) -> anyhow::Result<(Vec<usize>, usize, Vec<u8>)> {
        let (mut lengths, mut reply) = (vec![], vec![]);
        let consumed = read(input, &mut reply, |text| {
            lengths.push(text.len());
            Ok(())
        })?;
        Ok((lengths, consumed, reply))
    }

    #[test]
    fn frames_of_all_three_length_forms_are_read_and_a_part_waits() {
        let mut input = vec![0x81, 2, b'h', b'i', 0x81, 126, 0, 200];
        input.extend([b'x'; 200]);
        input.extend([0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        input.extend([b'x'; 65_536]);
        let whole = input.len();
        input.extend([0x81, 126, 0]);
        let (lengths, consumed, _) = texts(&input).unwrap();
        assert_eq!(lengths, [2, 200, 65_536]);
        assert_eq!(consumed, whole);
    }

    #[test]
    fn a_ping_is_answered_with_its_payload() {
        let (_, _, reply) = texts(&[0x89, 1, b'p']).unwrap();
        assert_eq!(reply, [0x8a, 0x81, 0, 0, 0, 0, b'p']);
    }

    #[test]
    fn a_close_is_an_error_that_names_its_code() {
        let error = texts(&[0x88, 4, 0x11, 0x3a, b'b', b'y']).unwrap_err();
        assert_eq!(error.to_string(), "the server closes with 4410 by");
    }

    #[test]
    fn a_client_s_frame_has_the_header_that_the_forwarder_assumes() {
        for size in [1, 125, 126, 1024, 65_535, 65_536] {
            let mut out = vec![];
            write_text(&vec![b'x'; size], &mut out);
            assert_eq!(out.len(), size + client_header_bytes(size));
            // A server's frame differs by the mask alone.
            out[1] &= !MASKED;
            out.drain(client_header_bytes(size) - 4..client_header_bytes(size));
            assert_eq!(texts(&out).unwrap().0, [size]);
        }
    }
}
