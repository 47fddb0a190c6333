//! Takes an upgraded connection back from hyper.

use axum::body::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::stream::Stream;
use super::tracked::TrackedStream;

/// The byte stream of an upgraded connection, and the bytes that were read behind the upgrade
/// request. The deadlines of HTTP do not apply to it any longer.
///
/// # Errors
/// The connection was not accepted by a [`Listener`](super::Listener); it is handed back.
pub fn into_stream(upgraded: Upgraded) -> Result<(Stream, Bytes), Upgraded> {
    let parts = upgraded.downcast::<TokioIo<TrackedStream<Stream>>>()?;
    Ok((parts.io.into_inner().into_inner(), parts.read_buf))
}
