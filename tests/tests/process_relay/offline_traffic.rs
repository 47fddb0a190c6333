//! Tests a relay on a small volume and with little memory under mail for agents that are away: its
//! log stays small, it restarts quickly, and a disk that is full empties itself.
//!
//! A run sends a tenth of ten minutes' mail as fast as the relay takes it. With
//! `MSG2AGENT_TEST_FULL_DAY=1` it sends 300 messages a second for ten minutes.

use std::time::{Duration, Instant};

use devtools::memory_usage;
use devtools::relay_process::RelayProcess;
use protocol::admin::TenantSpec;

mod bounded_volume;
mod day_of_mail;
mod full_disk;
pub(crate) mod mail_pair;
mod memory_limit;

use bounded_volume::{BoundedVolume, FileSystem};
use day_of_mail::ten_minutes_of_mail;
use full_disk::{one_tenant_takes_all_it_can, others_go_on_while_the_disk_is_full, the_relay_recovers};
use mail_pair::MailPair;
use memory_limit::MemoryLimit;

const VOLUME_BYTES: u64 = 256 << 20;
const MEMORY_BYTES: u64 = 128 << 20;
/// Of the memory, undelivered messages may have a quarter.
const HELD_BYTES: u64 = MEMORY_BYTES / 4;

/// Half of them in each of two tenants.
const PAIRS: usize = 10;
/// Of these pairs, the mail of the day waits while the disk is full.
const PAIRS_WITH_OLD_MAIL: usize = 2;
/// Characters of a body: with header and signature, 1 KiB.
pub(crate) const BODY_CHARACTERS: usize = 256;

/// A restart takes less than two seconds on a quiet machine. Tests share theirs.
const RESTART_TIMEOUT: Duration = Duration::from_secs(20);
const TEST: &str =
    "offline_traffic::mail_for_absent_agents_fits_a_small_volume_and_a_full_disk_empties_itself";

#[tokio::test]
async fn mail_for_absent_agents_fits_a_small_volume_and_a_full_disk_empties_itself() {
    let Some(volume) = BoundedVolume::enter(TEST, VOLUME_BYTES) else { return };
    devtools::install_tls_provider();
    let limit = memory_limit(&volume);
    let mut relay = within(limit.as_ref(), start(&volume)).await;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        pairs.push(MailPair::declare(&relay, ["north", "south"][number % 2], number).await);
    }

    ten_minutes_of_mail(&relay, &volume, &mut pairs).await;
    restart(&mut relay, limit.as_ref(), &pairs).await;
    // Otherwise a long day's mail and one tenant together would meet the budget of the relay, and
    // not that of the tenant.
    for pair in &mut pairs[PAIRS_WITH_OLD_MAIL..] {
        pair.take_all(&relay).await;
        assert_eq!(pair.missing(), 0, "answered `stored`, and missing after the restart");
    }
    let mut greedy = one_tenant_takes_all_it_can(&relay, &mut pairs[0]).await;
    volume.fill();
    others_go_on_while_the_disk_is_full(&relay, &mut pairs[0], &greedy[1]).await;
    for pair in &mut greedy {
        pair.take_all(&relay).await;
    }
    the_relay_recovers(&relay, &mut pairs[0]).await;

    for pair in pairs.iter_mut().chain(&mut greedy) {
        pair.take_all(&relay).await;
        assert_eq!(pair.missing(), 0, "answered `stored`, and missing");
    }
    let repeated: usize = pairs.iter().chain(&greedy).map(|pair| pair.repeated).sum();
    println!("{repeated} messages came twice");
    assert_little_memory(&relay);
}

fn assert_little_memory(relay: &RelayProcess) {
    let peak = memory_usage::peak(relay.pid().unwrap()).unwrap();
    println!("the relay held at most {} MiB of memory", peak >> 20);
    assert!(peak <= MEMORY_BYTES, "{peak} bytes of memory");
}

fn memory_limit(volume: &BoundedVolume) -> Option<MemoryLimit> {
    if volume.file_system == FileSystem::Memory {
        println!("a control group would count the volume; only the relay's own memory is measured");
        return None;
    }
    let limit = MemoryLimit::new(MEMORY_BYTES);
    limit.inspect_err(|reason| println!("no limit of memory ({reason:#}); it is only measured")).ok()
}

async fn within<T>(limit: Option<&MemoryLimit>, work: impl Future<Output = T>) -> T {
    match limit {
        Some(limit) => limit.within(work).await,
        None => work.await,
    }
}

async fn start(volume: &BoundedVolume) -> RelayProcess {
    let (data, held) = (volume.path().join("data").display().to_string(), HELD_BYTES.to_string());
    let settings =
        [("MSG2AGENT_RELAY_DATA_DIR", data.as_str()), ("MSG2AGENT_RELAY_LIMIT_MEMORY_BYTES", held.as_str())];
    let relay = RelayProcess::start_with(&settings).await.unwrap();
    for tenant in ["north", "south", "greedy"] {
        relay.admin().unwrap().put_tenant(tenant, &TenantSpec::default()).await.unwrap();
    }
    relay
}

/// The relay is killed, and is ready again with everything that it has promised.
async fn restart(relay: &mut RelayProcess, limit: Option<&MemoryLimit>, pairs: &[MailPair]) {
    let waiting: usize = pairs.iter().map(MailPair::missing).sum();
    assert_little_memory(relay);
    relay.kill().await.unwrap();
    let begun = Instant::now();
    within(limit, relay.restart()).await.unwrap();
    let took = begun.elapsed();
    println!("ready after {:.2} s with {waiting} messages that wait", took.as_secs_f64());
    assert!(took < RESTART_TIMEOUT, "{took:?}");
    let restored = metric(relay, "msg2agent_relay_mailbox_messages").await.unwrap();
    assert!(restored >= waiting as f64, "{restored} of {waiting}");
}

pub(crate) async fn metric(relay: &RelayProcess, name: &str) -> Option<f64> {
    let text = relay.metrics().await.unwrap();
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}
