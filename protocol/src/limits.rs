//! Defines the sizes, counts and times that both sides of the wire respect.
//!
//! Limits that concern one side alone are defined next to the code that enforces them.
//! `docs/limits.md` lists all.

use std::time::Duration;

/// Bytes of one WebSocket text frame. A message of text with its base64 and JSON fits; a video does
/// not.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes of the JSON of an envelope: a frame without the JSON-RPC members around it.
pub const ENVELOPE_BYTES_MAX: usize = FRAME_BYTES_MAX - 1024;
/// Bytes of the JSON of a content before padding. With base64 (4/3) and padding (at most 12 %) it
/// fits an envelope.
pub const CONTENT_BYTES_MAX: usize = 640 * 1024;
/// Bytes of a decoded protected header. Two DIDs, a thread label and the keys fill half of it.
pub const HEADER_BYTES_MAX: usize = 4096;
/// Bytes of a record. A card with 64 capabilities and long names fits.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a DID.
pub const DID_BYTES_MAX: usize = 400;
/// Bytes of a thread label, which is an identifier and not a title.
pub const THREAD_BYTES_MAX: usize = 64;
/// Nesting of JSON anywhere in the protocol. No thread's stack overflows at this depth.
pub const JSON_DEPTH_MAX: usize = 64;
/// Capabilities of one card.
pub const CAPABILITIES_MAX: usize = 64;
/// Bytes of a capability's id or name, and of a card's name.
pub const LABEL_BYTES_MAX: usize = 128;
/// Bytes of a card's description.
pub const DESCRIPTION_BYTES_MAX: usize = 2048;
/// Signing keys, or encryption keys, of one document: the current one and older ones that overlap
/// with it.
pub const KEYS_PER_USE_MAX: usize = 8;
/// Agents in one page of a discovery result. 100 cards of ordinary size stay far below a frame.
pub const DISCOVER_PAGE_MAX: usize = 100;
/// Deliveries that a recipient may leave unacknowledged before the relay stops sending.
pub const WINDOW_MESSAGES: u64 = 256;
/// The longest time that a reliable message waits in a mailbox, and the time when its sender gives
/// none: 7 days.
pub const MAX_TTL_SECONDS: u64 = 7 * 24 * 3600;
/// How long an ephemeral message may be in transit before its recipient refuses it.
pub const EPHEMERAL_TTL_SECONDS: u64 = 300;
/// How far a sender's clock may be ahead, and how late beyond its TTL a message may arrive.
pub const CLOCK_SKEW_GRACE_SECONDS: u64 = 300;
/// How long the relay remembers the `(from, id)` of an accepted message, to refuse duplicates.
pub const DEDUP_TTL: Duration = Duration::from_secs(24 * 3600);
/// How long the nonce of a registration is valid. It can be used once.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(30);
/// How long a connection may stay open without registering.
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval of the relay's pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a connection may be silent before either side closes it: three pings.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages in one proof file.
pub const PROOF_MESSAGES_MAX: usize = 256;
