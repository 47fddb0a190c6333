//! The directory over a disk that loses power at any operation, tears pages, fills, fails, hangs.
//!
//! A run is some lives of a relay on one disk. In each, an administrator suspends, resumes,
//! declares and deletes while a fault strikes. What was answered is there in the next life, whole;
//! of what was refused there is all or nothing; and what was answered is in memory and enforced.
//!
//! A failing run prints its seed. `MSG2AGENT_DISK_SEED=<seed>` repeats it alone.

mod administrator;

use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use sqlite_faults::{Disk, Fault};

use super::{Capacity, Directory, DirectoryState, DirectoryWriter, Rules};
use crate::store::{Store, path};
use administrator::Administrator;

const SEEDS: u64 = 120;
/// Seeds within which commits that are not synced have to be found.
const FLAW_SEEDS: u64 = 120;
const LIVES: u32 = 4;
const STEPS_MAX: u32 = 14;
/// Syncs are what decides about an answer, so they fail most often.
const FAULTS: [Fault; 9] = [
    Fault::PowerLoss,
    Fault::PowerLoss,
    Fault::Full,
    Fault::Read,
    Fault::Write,
    Fault::Sync,
    Fault::Sync,
    Fault::Hang,
    Fault::HangingSync,
];

fn rules() -> Rules {
    Rules { capacity: Capacity { tenants: 100, agents: 100 }, gateway_url: None }
}

async fn open(folder: &Path) -> Result<(Arc<Directory>, DirectoryWriter), String> {
    let store = Store::open(&path(folder)).await.map_err(|error| format!("{error:?}"))?;
    let domain = "example.com".parse().unwrap();
    let opened = Directory::open(store, domain, rules(), Arc::new(|| 1_000)).await;
    opened.map_err(|error| format!("{error:?}"))
}

/// Opens the directory, a second time where a fault struck the first.
async fn open_on(disk: &Disk, folder: &Path) -> Result<Option<(Arc<Directory>, DirectoryWriter)>, String> {
    match open(folder).await {
        Ok(opened) => Ok(Some(opened)),
        Err(_) if !disk.has_power() => Ok(None),
        Err(error) if disk.struck() == 0 => Err(error),
        Err(_) => {
            disk.repair();
            open(folder).await.map(Some)
        }
    }
}

/// What went wrong in the run of this seed.
fn violation(seed: u64, syncs: bool) -> Option<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(run(StdRng::seed_from_u64(seed), syncs)).err()
}

async fn run(mut rng: StdRng, syncs: bool) -> Result<(), String> {
    let mut folder = tempfile::tempdir().unwrap();
    let mut possible: Vec<DirectoryState> = Vec::new();
    for life in 0..=LIVES {
        let disk = Disk::mount(folder.path(), rng.next_u64()).unwrap();
        let fault = *FAULTS.choose(&mut rng).unwrap();
        let hangs = matches!(fault, Fault::Hang | Fault::HangingSync);
        if life < LIVES && !hangs && rng.random_bool(0.1) {
            disk.plan(fault, rng.random_range(0..40), rng.random_range(1..4));
        }
        if let Some((directory, writer)) = open_on(&disk, folder.path()).await? {
            check_found(&directory, &possible)?;
            if !syncs {
                sqlx::query("pragma synchronous = off").execute(writer.pool()).await.unwrap();
            }
            let writer = tokio::spawn(writer.run());
            let mut administrator = Administrator::new(Arc::clone(&directory), &disk);
            if life < LIVES {
                live(&mut administrator, &disk, fault, &mut rng).await?;
            }
            possible = administrator.possible;
            disk.cut_power();
            directory.close();
            writer.await.unwrap();
        }
        disk.cut_power();
        let after = tempfile::tempdir().unwrap();
        disk.write_remains(after.path()).unwrap();
        folder = after;
    }
    Ok(())
}

fn check_found(directory: &Directory, possible: &[DirectoryState]) -> Result<(), String> {
    let found = directory.read().clone();
    if possible.is_empty() || possible.contains(&found) {
        return Ok(());
    }
    Err(format!("found {found:#?}\nand possible is {possible:#?}"))
}

async fn live(
    administrator: &mut Administrator<'_>,
    disk: &Disk,
    fault: Fault,
    rng: &mut StdRng,
) -> Result<(), String> {
    let steps = rng.random_range(1..=STEPS_MAX);
    let fault_at = rng.random_range(0..=steps);
    for step in 0..steps {
        if step == fault_at {
            let hangs = matches!(fault, Fault::Hang | Fault::HangingSync);
            let times = if hangs { 1 } else { *[1, 4, 100].choose(rng).unwrap() };
            disk.plan(fault, rng.random_range(0..12), times);
        }
        administrator.change(rng).await?;
        if !disk.has_power() {
            return Ok(());
        }
    }
    if rng.random_bool(0.5) {
        disk.repair();
        administrator.needs_success = true;
        administrator.change(rng).await?;
    }
    Ok(())
}

#[test]
fn what_was_answered_holds_on_a_disk_that_fails_in_every_way() {
    let seed = std::env::var("MSG2AGENT_DISK_SEED").ok().map(|text| text.parse().unwrap());
    let days = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let seeds = seed.map_or(days * 1_000_000..days * 1_000_000 + SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let found = violation(seed, true);
        assert!(found.is_none(), "MSG2AGENT_DISK_SEED={seed}: {}", found.unwrap_or_default());
    }
}

#[test]
fn commits_that_are_not_synced_are_found() {
    let found = (0..FLAW_SEEDS).find(|seed| violation(*seed, false).is_some());
    assert!(found.is_some(), "no seed finds them");
}
