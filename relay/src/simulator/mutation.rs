//! Faults planted between the core and its simulation, each of which breaks one invariant.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The store reports rows before they are on the disk.
    EarlyCommit,
    /// Every few deliveries, two messages on the way to one recipient change places.
    SwappedDeliveries,
    /// A delivery carries the envelope of the one before it.
    RepeatedDelivery,
    /// A delivery goes to another connection.
    Misrouted,
    /// Acknowledgements are made up.
    ForgedAck,
    /// Answers get lost inside the relay.
    SwallowedAnswer,
    /// The store keeps rows that were removed.
    LostRemoval,
    /// Every session has the epoch of the first.
    RepeatedEpoch,
}

impl Mutation {
    pub(super) const ALL: [Self; 8] = [
        Self::EarlyCommit,
        Self::SwappedDeliveries,
        Self::RepeatedDelivery,
        Self::Misrouted,
        Self::ForgedAck,
        Self::SwallowedAnswer,
        Self::LostRemoval,
        Self::RepeatedEpoch,
    ];

    pub(super) const fn breaks(self) -> &'static str {
        match self {
            Self::EarlyCommit => "I1",
            Self::RepeatedDelivery => "I2",
            Self::SwappedDeliveries => "I3",
            Self::ForgedAck => "I4",
            Self::RepeatedEpoch => "I5",
            Self::Misrouted => "I6",
            Self::LostRemoval => "I7",
            Self::SwallowedAnswer => "I9",
        }
    }
}
