//! Changes the streams of connections, so that a test can count what is read and written.

use std::fmt;
use std::sync::Arc;

use crate::hub::ByteStream;

type Wrap = dyn Fn(Box<dyn ByteStream>) -> Box<dyn ByteStream> + Send + Sync;

/// Changes the stream of every connection after its upgrade.
#[derive(Clone)]
pub struct StreamWrapper(Arc<Wrap>);

impl StreamWrapper {
    pub fn new(wrap: impl Fn(Box<dyn ByteStream>) -> Box<dyn ByteStream> + Send + Sync + 'static) -> Self {
        Self(Arc::new(wrap))
    }

    pub(crate) fn wrap(&self, stream: Box<dyn ByteStream>) -> Box<dyn ByteStream> {
        (self.0)(stream)
    }
}

impl fmt::Debug for StreamWrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWrapper").finish_non_exhaustive()
    }
}
