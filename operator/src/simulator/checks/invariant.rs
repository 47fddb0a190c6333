//! The invariants of the operator: what must be true in every run, each as one sentence.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    SecretMembers,
    ForeignSecrets,
    KeptKeys,
    KeptOverlaps,
    ConfirmedIdentities,
    ConfirmedAuthorities,
    ConfirmedRemovals,
    Fencing,
    Terms,
    EntryOwners,
    PeoplesEntries,
    ProgrammedBeforeReady,
    Revocation,
    Convergence,
    QuietWhenIdle,
    ChildrenRestored,
    PauseRespected,
    UndecodableKept,
    UnchangedByRestart,
    RunningTasks,
}

impl Invariant {
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::SecretMembers => "a Secret loses no member that is still needed",
            Self::ForeignSecrets => "a Secret of somebody else is never overwritten",
            Self::KeptKeys => "identities, authorities and admin tokens keep their keys",
            Self::KeptOverlaps => "a replaced key is valid until its overlap ends",
            Self::ConfirmedIdentities => "a lost identity is replaced only after a person confirmed it",
            Self::ConfirmedAuthorities => "a lost authority is replaced only after a person confirmed it",
            Self::ConfirmedRemovals => "most of a relay's entries are removed only after a confirmation",
            Self::Fencing => "only the holder of the lease writes to the API server",
            Self::Terms => "every write to a relay carries the term of the lease",
            Self::EntryOwners => "no object writes an entry that it could never claim",
            Self::PeoplesEntries => "no object changes an entry that a person or an agent made",
            Self::ProgrammedBeforeReady => {
                "an Agent is programmed only when its relay has its suspension and its key"
            }
            Self::Revocation => "a relay refuses what was deleted or suspended within the bound",
            Self::Convergence => "everything becomes as declared after the faults end",
            Self::QuietWhenIdle => "nothing is written while nothing changes",
            Self::ChildrenRestored => "a deleted or edited child is put back",
            Self::PauseRespected => "of a paused object, nothing but the condition Paused is written",
            Self::UndecodableKept => "an object that cannot be decoded keeps its access and its status",
            Self::UnchangedByRestart => "a restart changes no status and no Secret",
            Self::RunningTasks => "no task of a process ends before the process",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
