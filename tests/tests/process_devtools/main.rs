//! Tests the developer tools as programs, as far as they need no cluster.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail on the spot")]

mod stale_record;
