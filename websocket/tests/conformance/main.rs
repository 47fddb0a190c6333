//! Holds the decoder to RFC 6455: the cases of the Autobahn test suite by their names, and
//! agreement with tungstenite over random frames. Both decoders pass the same cases.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod agreement;
mod autobahn;
mod client_frame;
mod decoded_stream;
mod tungstenite_decoder;
