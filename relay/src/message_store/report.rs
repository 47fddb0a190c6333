//! Reports of the message store about the results of writes and reads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::core::{AgentSlot, RowId};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoreReport {
    Stored {
        upto: RowId,
        rows: usize,
        took: Duration,
    },
    /// These rows are removed. There are none if the commit only forgot what had left.
    Removed {
        rows: Vec<RowId>,
    },
    StoreFailed {
        upto: RowId,
    },
    /// The disk is full: removals and notices are committed, and messages are not.
    Full,
    Recovered,
    /// A row that was requested and is missing could not be read.
    Loaded {
        agent: AgentSlot,
        epoch: u64,
        page: Vec<(RowId, Bytes)>,
    },
    LoadFailed {
        agent: AgentSlot,
        epoch: u64,
    },
}

/// Called by the store's tasks for every report, in order.
pub(crate) type ReportHandler = Arc<dyn Fn(StoreReport) + Send + Sync>;
