//! Sizes and counts both sides of the wire respect. Limits of one side alone stand beside the code that enforces them.

use std::time::Duration;

/// Bytes of one WebSocket text frame. One message of an agent with its base64 and JSON around it fits; a video does not.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of an envelope's JSON: a frame less room for the JSON-RPC members around it.
pub const ENVELOPE_BYTES_MAX: usize = FRAME_BYTES_MAX - 1024;
/// Bytes of a content's JSON before padding, so that base64 (4/3) and padding (at most 12 %) stay inside an envelope.
pub const CONTENT_BYTES_MAX: usize = 640 * 1024;
/// Bytes of a protected header after base64url decoding: two DIDs, a thread and keys leave half of it free.
pub const HEADER_BYTES_MAX: usize = 4096;
/// Bytes of a registered record; 64 capabilities with long names fit.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a whole DID.
pub const DID_BYTES_MAX: usize = 400;
/// Bytes of a thread label; it is an identifier, not a title.
pub const THREAD_BYTES_MAX: usize = 64;
/// Nesting of JSON anywhere in the protocol; the parser's own recursion limit, below any thread's stack.
pub const JSON_DEPTH_MAX: usize = 64;
/// Entries of a card's capability list.
pub const CAPABILITIES_MAX: usize = 64;
/// Bytes of a capability id or name, and of a card's name.
pub const LABEL_BYTES_MAX: usize = 128;
/// Bytes of a card's description.
pub const DESCRIPTION_BYTES_MAX: usize = 2048;
/// Keys of one use (signing or encryption) in a document: the current one and those that overlap.
pub const KEYS_PER_USE_MAX: usize = 8;
/// Agents in one page of a discovery answer: 100 cards of ordinary size stay far below a frame.
pub const DISCOVER_PAGE_MAX: usize = 100;
/// Deliveries a recipient may leave unacknowledged; the relay sends no more until it acknowledges.
pub const WINDOW_MESSAGES: u64 = 256;
/// Time a reliable message waits in a mailbox when its sender names none, and the most it may name: 7 days.
pub const MAX_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// How long an ephemeral message may travel before its recipient refuses it.
pub const EPHEMERAL_TTL_SECONDS: u64 = 300;
/// How far a sender's clock may run ahead, or a message be late beyond its TTL.
pub const CLOCK_SKEW_GRACE_SECONDS: u64 = 300;
/// How long the relay remembers `(from, id)` of accepted messages.
pub const DEDUP_TTL: Duration = Duration::from_secs(24 * 3600);
/// How long a registration nonce can be used, once.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(30);
/// How long a connection may stay without registering.
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of the relay's pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Silence after which either side gives the connection up: three pings.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages in one proof file.
pub const PROOF_MESSAGES_MAX: usize = 256;
