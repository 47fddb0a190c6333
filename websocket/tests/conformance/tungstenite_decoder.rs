//! The same decoder made of tungstenite, which our own is compared with.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use msg2agent_websocket::{MessageDecoder, StreamEnd, Violation};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

pub(crate) struct TungsteniteDecoder {
    websocket: WebSocketContext,
}

impl TungsteniteDecoder {
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        Self { websocket: WebSocketContext::new(Role::Server, Some(config)) }
    }
}

impl MessageDecoder for TungsteniteDecoder {
    fn next_text<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        answers: &mut Vec<u8>,
    ) -> Result<Option<Cow<'a, str>>, StreamEnd> {
        let mut memory = Memory { input, answers };
        loop {
            match self.websocket.read(&mut memory) {
                Ok(Message::Text(text)) => return Ok(Some(Cow::Owned(text.to_string()))),
                Ok(Message::Binary(_)) => return Err(Violation::Binary.into()),
                // It answers a code that no client may send with 1002 and this reason.
                Ok(Message::Close(Some(CloseFrame { code: CloseCode::Protocol, reason })))
                    if reason == "Protocol violation" =>
                {
                    return Err(Violation::Protocol.into());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Err(StreamEnd::Closed),
                Err(Error::Capacity(_)) => return Err(Violation::TooBig.into()),
                Err(Error::Utf8(_)) => return Err(Violation::InvalidUtf8.into()),
                Err(_) => return Err(Violation::Protocol.into()),
            }
        }
    }

    fn set_message_bytes_max(&mut self, message_bytes_max: usize) {
        self.websocket.set_config(|config| {
            config.max_message_size = Some(message_bytes_max);
            config.max_frame_size = Some(message_bytes_max);
        });
    }
}

struct Memory<'a, 'b> {
    input: &'a mut &'b mut [u8],
    answers: &'a mut Vec<u8>,
}

impl Read for Memory<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.input.len().min(into.len());
        let taken = self.input.split_off_mut(..count).unwrap_or_default();
        taken.as_ref().read(into)
    }
}

impl Write for Memory<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answers.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
