//! The endpoint over real sockets, with a network that answers by itself: MCP clients of both eras, and callers who should
//! not get in.

mod eras;
mod hostile;
mod served;
mod tls;
