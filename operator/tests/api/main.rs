//! Tests of the operator over real sockets.

mod relay_client;
