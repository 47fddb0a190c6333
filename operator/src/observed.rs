//! Distinguishes what was observed from what is not known yet.

/// Something that the operator may not have observed yet.
///
/// Nothing destructive and nothing subtractive is decided from [`Observed::Unknown`]: no
/// revocation, no suspension, no deletion, and no removal of a Secret's member or a status field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Observed<T> {
    /// Not observed since this process started to lead.
    #[default]
    Unknown,
    Known(T),
}

impl<T> Observed<T> {
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Unknown => Observed::Unknown,
            Self::Known(value) => Observed::Known(change(value)),
        }
    }

    #[must_use]
    pub const fn as_ref(&self) -> Observed<&T> {
        match self {
            Self::Unknown => Observed::Unknown,
            Self::Known(value) => Observed::Known(value),
        }
    }

    /// The value, if it was observed. For uses where Unknown and absent have the same effect.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Unknown => None,
            Self::Known(value) => Some(value),
        }
    }

    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}
