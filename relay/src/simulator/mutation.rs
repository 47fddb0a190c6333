//! Mutations between the core and its models: bugs that a run can contain, each of which breaks one
//! invariant.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The store reports rows before they are on the disk.
    EarlyCommit,
    /// Now and then two messages to one recipient are swapped.
    SwappedDeliveries,
    /// A delivery repeats the envelope of the previous one.
    RepeatedDelivery,
    /// A delivery goes to another connection.
    Misrouted,
    /// The relay processes acknowledgements that no client sent.
    ForgedAck,
    /// Answers are lost inside the relay.
    SwallowedAnswer,
    /// The store keeps rows that were removed.
    LostRemoval,
    /// Every session gets the epoch of the first one.
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
