//! The parts of `daemon` over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod admin;
mod https;
mod listen;
mod otlp;
