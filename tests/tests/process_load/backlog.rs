//! Test of the run of `load` that stores messages. Speeds are not asserted.

use devtools::load::backlog::{self, BacklogPlan};
use devtools::load::plan::Workload;

/// A message that is not stored, is lost, comes twice or out of order is an error, and so is one
/// that is still there after its acknowledgement.
#[tokio::test]
async fn what_was_stored_arrives_once_and_is_deleted() {
    devtools::install_tls_provider();
    let workload = Workload { pairs: 3, window: 64 };
    let plan = BacklogPlan { workload, messages: 128, size: 1024, rounds: 2, pinned: false };
    let report = backlog::run(&plan).await.unwrap();
    println!("{report}");
    assert_eq!(report.rounds().len(), 2);
    for round in report.rounds() {
        assert_eq!((round.messages, round.latency.len()), (384, 384));
        assert!(round.draining <= round.deleted, "{round:?}");
    }
}
