//! The client's state machine: what is acknowledged when, what is shown again, what is a duplicate,
//! when to reconnect, and which requests are repeated.
//!
//! Nothing here reads a clock, draws a random number, or does input or output: times and randomness
//! are arguments, and what must be written is a return value. So an SDK in another language can
//! bind these types, or be written against them and the page `docs/client-behaviour.md`. The
//! simulation in `sdk/tests/simulation` drives them with a relay that cuts, repeats, refuses and
//! restarts.
//!
//! | type | decides |
//! |---|---|
//! | [`AckTracker`] | the state of each delivery, and the acknowledgement that is due |
//! | [`DedupTable`] | whether a message was processed before |
//! | [`Outbox`] | which requests are written, repeated, and may have reached the relay |
//! | [`Backoff`] | the delay before the next connection |
//! | [`PathSwitch`] | whether a message goes directly or through the relay, and what is repeated after a switch |
//! | [`StallDetector`] | whether the relay has stopped sending because of the application |

mod ack_tracker;
mod backoff;
mod dedup_table;
mod outbox;
mod path_switch;
mod stall_detector;

pub use ack_tracker::{AckTracker, DIRECT_HELD_MAX, DeliveryState, DirectHold, HELD_MAX, redelivery_delay};
pub use backoff::Backoff;
pub use dedup_table::{DEDUP_ENTRIES_MAX, DedupTable, MessageKey};
pub use outbox::{Outbox, Request, RequestId, UnansweredRequest};
pub use path_switch::{
    FALLBACK_TIMEOUT, LINK_PING_INTERVAL, LinkId, PathAction, PathSwitch, SEEN_QUERY_INTERVAL,
    STORED_KEPT_BYTES_MAX, STORED_KEPT_MAX,
};
pub use stall_detector::StallDetector;

#[cfg(test)]
mod tests {
    /// The sources of this module.
    const SOURCES: [&str; 6] = [
        include_str!("state_machine/ack_tracker.rs"),
        include_str!("state_machine/backoff.rs"),
        include_str!("state_machine/dedup_table.rs"),
        include_str!("state_machine/outbox.rs"),
        include_str!("state_machine/path_switch.rs"),
        include_str!("state_machine/stall_detector.rs"),
    ];

    #[test]
    fn no_file_of_the_state_machine_reads_a_clock_or_does_input_or_output() {
        for source in SOURCES {
            let code = source.split("#[cfg(test)]").next().unwrap();
            for word in ["tokio", "std::fs", "std::net", "::now()", "rand::", "std::sync", "async "] {
                assert!(!code.contains(word), "{word}");
            }
        }
    }
}
