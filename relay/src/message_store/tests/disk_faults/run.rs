//! A run: lives of a relay on one disk, with a fault in each.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use sqlite_faults::{Disk, Fault};

use super::super::*;
use super::expected::Expected;
use super::life::Life;

const LIVES: u32 = 4;
const STEPS_MAX: u32 = 12;
/// A power loss is what may lose most, so it strikes most often.
const FAULTS: [Fault; 9] = [
    Fault::PowerLoss,
    Fault::PowerLoss,
    Fault::PowerLoss,
    Fault::Full,
    Fault::Read,
    Fault::Write,
    Fault::Sync,
    Fault::Hang,
    Fault::HangingSync,
];

/// What a store may do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    WriterDoesNotSync,
    CheckpointsAreNotSynced,
    AnswersBeforeTheCommit,
}

impl Flaw {
    pub(super) const ALL: [Self; 3] =
        [Self::WriterDoesNotSync, Self::CheckpointsAreNotSynced, Self::AnswersBeforeTheCommit];
}

/// What went wrong in the run of this seed.
pub(super) fn violations(seed: u64, flaw: Option<Flaw>) -> Vec<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(run(StdRng::seed_from_u64(seed), flaw))
}

async fn run(mut rng: StdRng, flaw: Option<Flaw>) -> Vec<String> {
    let (mut expected, mut folder) = (Expected::default(), tempfile::tempdir().unwrap());
    for _ in 0..LIVES {
        let disk = Disk::mount(folder.path(), rng.next_u64()).unwrap();
        if let Err(error) = live(folder.path(), (&disk, &mut expected, &mut rng), flaw).await {
            expected.violation(error);
        }
        disk.cut_power();
        let after = tempfile::tempdir().unwrap();
        disk.write_remains(after.path()).unwrap();
        folder = after;
    }
    let disk = Disk::mount(folder.path(), rng.next_u64()).unwrap();
    let last = Life::begin(folder.path(), (&disk, &mut expected, &mut rng), None).await;
    match last {
        Ok(life) => life.end().await,
        Err(error) => expected.violation(format!("the store cannot be opened: {error}")),
    }
    expected.into_violations()
}

async fn live(
    folder: &Path,
    (disk, expected, rng): (&Disk, &mut Expected, &mut StdRng),
    flaw: Option<Flaw>,
) -> Result<(), String> {
    let fault = *FAULTS.choose(rng).unwrap();
    expected.on_fault(fault);
    let hangs = matches!(fault, Fault::Hang | Fault::HangingSync);
    if !hangs && rng.random_bool(0.2) {
        disk.plan(fault, rng.random_range(0..40), rng.random_range(1..4));
    }
    let mut begun = Life::begin(folder, (disk, &mut *expected, &mut *rng), flaw).await;
    if begun.is_err() && disk.struck() > 0 {
        if !disk.has_power() {
            return Ok(());
        }
        disk.repair();
        drop(begun);
        begun = Life::begin(folder, (disk, expected, rng), flaw).await;
    }
    let mut life = begun?;
    let steps = life.draw(STEPS_MAX);
    let fault_at = life.draw(steps + 1);
    for step in 0..steps {
        if step == fault_at {
            life.plan(fault);
        }
        life.step().await;
        if !disk.has_power() {
            break;
        }
    }
    if disk.has_power() && life.draw(2) == 0 {
        life.repair().await;
    }
    life.end().await;
    Ok(())
}
