//! Decodes the WebSocket frames of clients (RFC 6455) without input and output: bytes go in, text
//! messages and the bytes of answers come out.
//!
//! A message that lies in one frame in one piece of input is unmasked there and borrowed from it.
//! Only a message that arrives in pieces is copied.

mod control_frame;
mod frame_decoder;
mod frame_header;
mod masking;
mod message_decoder;
mod partial_message;
mod violation;

pub use frame_decoder::FrameDecoder;
pub use message_decoder::{MessageDecoder, StreamEnd};
pub use violation::Violation;
