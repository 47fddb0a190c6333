//! Reads and writes times: RFC 3339, written in UTC with milliseconds.

use std::fmt;

/// A time of the wire, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_millis: i64,
}

impl Timestamp {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z, which a protobuf time cannot exceed.
    const BOUNDS: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);

    /// The time so many milliseconds after 1970. A time that cannot be written is the nearest one
    /// that can.
    #[must_use]
    pub fn from_unix_millis(unix_millis: i64) -> Self {
        Self { unix_millis: unix_millis.clamp(Self::BOUNDS.0, Self::BOUNDS.1) }
    }

    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.unix_millis
    }

    /// Reads a time with any offset. Fractions below a millisecond are cut.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_rfc3339 = text.is_ascii() && text.contains(['T', 't']) && !text.contains(['[', ',']);
        let time: jiff::Timestamp = is_rfc3339.then_some(text)?.parse().ok()?;
        let millis = time.as_millisecond();
        (Self::BOUNDS.0..=Self::BOUNDS.1).contains(&millis).then_some(Self { unix_millis: millis })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.unix_millis).unwrap_or_default();
        write!(f, "{time:.3}")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
