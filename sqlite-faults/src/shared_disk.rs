//! The state of a disk: which operation fails or hangs, and what of the files is synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::contents::Contents;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every operation fails from then on, and changes nothing any more.
    PowerLoss,
    /// A write finds no space. A part of it is written.
    Full,
    /// A read fails, as it does with EIO.
    Read,
    /// A write fails, and a part of it is written.
    Write,
    /// A sync fails, and nobody knows what was written.
    Sync,
    /// A write or a sync does not return until [`Disk::release`](crate::Disk::release) is called.
    Hang,
    /// A sync does not return until [`Disk::release`](crate::Disk::release) is called.
    HangingSync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Open,
    Read,
    Write,
    Resize,
    Sync,
    Delete,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Succeeds,
    Fails,
    /// A write fails for lack of space.
    FindsNoSpace,
    /// The power is gone.
    DoesNothing,
}

/// An operation that hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hanging {
    pub file: PathBuf,
    /// It is a write. Otherwise it is a sync.
    pub writes: bool,
}

#[derive(Debug)]
pub(crate) struct SharedDisk {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    files: BTreeMap<PathBuf, Contents>,
    planned: Option<Planned>,
    without_power: bool,
    /// Faults that have struck.
    struck: u64,
    hanging: Option<Hanging>,
    /// Whether the operation that hung succeeds.
    release: Option<bool>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// Operations of the fault's kind that still succeed.
    after: u64,
    /// Operations that it still strikes.
    times: u64,
}

impl SharedDisk {
    pub(crate) fn new(files: BTreeMap<PathBuf, Contents>, seed: u64) -> Self {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            files,
            planned: None,
            without_power: false,
            struck: 0,
            hanging: None,
            release: None,
        };
        Self { state: Mutex::new(state), released: Condvar::new() }
    }

    pub(crate) fn plan(&self, fault: Fault, after: u64, times: u64) {
        self.state().planned = Some(Planned { fault, after, times });
    }

    pub(crate) fn repair(&self) {
        self.state().planned = None;
    }

    pub(crate) fn struck(&self) -> u64 {
        self.state().struck
    }

    pub(crate) fn cut_power(&self) {
        self.state().without_power = true;
        self.release(false);
    }

    pub(crate) fn has_power(&self) -> bool {
        !self.state().without_power
    }

    pub(crate) fn hanging(&self) -> Option<Hanging> {
        self.state().hanging.clone()
    }

    pub(crate) fn release(&self, succeeds: bool) {
        let mut state = self.state();
        if state.hanging.is_some() {
            state.release = Some(succeeds);
            self.released.notify_all();
        }
    }

    pub(crate) fn write_remains(&self, into: &Path) -> io::Result<()> {
        let mut guard = self.state();
        let State { files, rng, .. } = &mut *guard;
        for (path, contents) in files {
            let (Some(bytes), Some(name)) = (contents.remains(rng), path.file_name()) else { continue };
            std::fs::write(into.join(name), bytes)?;
        }
        Ok(())
    }

    /// Decides about an operation, after it has hung if it is to hang.
    pub(crate) fn begin(&self, operation: Operation, file: &Path) -> Verdict {
        let mut state = self.state();
        if state.without_power {
            return Verdict::DoesNothing;
        }
        match state.strikes(operation) {
            None => Verdict::Succeeds,
            Some(Fault::PowerLoss) => {
                state.without_power = true;
                Verdict::DoesNothing
            }
            Some(Fault::Full) => Verdict::FindsNoSpace,
            Some(Fault::Read | Fault::Write | Fault::Sync) => Verdict::Fails,
            Some(Fault::Hang | Fault::HangingSync) => {
                let writes = operation == Operation::Write;
                self.hang(state, Hanging { file: file.to_owned(), writes })
            }
        }
    }

    fn hang(&self, mut state: MutexGuard<'_, State>, hanging: Hanging) -> Verdict {
        state.hanging = Some(hanging);
        while state.release.is_none() {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.hanging = None;
        match state.release.take() {
            _ if state.without_power => Verdict::DoesNothing,
            Some(true) => Verdict::Succeeds,
            _ => Verdict::Fails,
        }
    }

    pub(crate) fn opened(&self, path: &Path) {
        self.state().files.entry(path.to_owned()).or_default().open();
    }

    pub(crate) fn wrote(&self, path: &Path, offset: usize, bytes: &[u8]) {
        self.state().change(path, |file, _| file.write(offset, bytes));
    }

    pub(crate) fn resized(&self, path: &Path, bytes: usize) {
        self.state().change(path, |file, _| file.resize(bytes));
    }

    pub(crate) fn synced(&self, path: &Path) {
        let mut state = self.state();
        state.change(path, |file, _| file.sync());
        if !state.without_power {
            // File systems with a journal write the removal of names with the next sync.
            state.files.retain(|_, file| !file.is_deleted());
        }
    }

    pub(crate) fn failed_to_sync(&self, path: &Path) {
        self.state().change(path, Contents::fail_sync);
    }

    pub(crate) fn deleted(&self, path: &Path) {
        self.state().change(path, |file, _| file.delete());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fault that strikes this operation.
    fn strikes(&mut self, operation: Operation) -> Option<Fault> {
        let planned = self.planned.as_mut().filter(|planned| planned.fault.concerns(operation))?;
        if planned.after > 0 {
            planned.after -= 1;
            return None;
        }
        let fault = planned.fault;
        planned.times = planned.times.checked_sub(1)?;
        self.struck += 1;
        Some(fault)
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut Contents, &mut StdRng)) {
        let Self { files, rng, without_power, .. } = self;
        if !*without_power {
            change(files.entry(path.to_owned()).or_default(), rng);
        }
    }
}

impl Fault {
    const fn concerns(self, operation: Operation) -> bool {
        let changes = !matches!(operation, Operation::Open | Operation::Read);
        match self {
            Self::PowerLoss => changes,
            Self::Full | Self::Write => matches!(operation, Operation::Write),
            Self::Read => matches!(operation, Operation::Read),
            Self::Sync | Self::HangingSync => matches!(operation, Operation::Sync),
            Self::Hang => matches!(operation, Operation::Write | Operation::Sync),
        }
    }
}
