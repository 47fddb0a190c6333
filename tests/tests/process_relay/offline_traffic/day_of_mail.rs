//! Senders write for ten minutes to recipients that are away most of the time, while the size of
//! the relay's write-ahead log is watched.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use devtools::relay_process::RelayProcess;
use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::bounded_volume::BoundedVolume;
use super::mail_pair::MailPair;
use super::{BODY_CHARACTERS, PAIRS, VOLUME_BYTES};

/// The part of the volume that the write-ahead log may take: twice of what the relay plans.
const LOG_BYTES_MAX: u64 = VOLUME_BYTES / 16;
/// Of all pairs together, 300 messages a second.
const PAIR_INTERVAL: Duration = Duration::from_micros(1_000_000 * PAIRS as u64 / 300);
/// Messages of each pair in ten minutes.
const FULL_DAY: usize = 18_000;
const SHORT_DAY: usize = FULL_DAY / 10;
/// How often a recipient comes during the day. It does not come at the end of it.
const VISITS: usize = 3;

pub(super) async fn ten_minutes_of_mail(
    relay: &RelayProcess,
    volume: &BoundedVolume,
    pairs: &mut [MailPair],
) {
    let full = std::env::var_os("MSG2AGENT_TEST_FULL_DAY").is_some();
    let (messages, pace) = if full { (FULL_DAY, Some(PAIR_INTERVAL)) } else { (SHORT_DAY, None) };
    let file = volume.path().join("data/mailbox.db-wal");
    let (log, begun) = (Cell::new(0), Instant::now());
    tokio::select! {
        () = watch_log(&file, &log) => unreachable!("it watches for ever"),
        _ = join_all(pairs.iter_mut().map(|pair| send_for_a_day(relay, pair, messages, pace))) => {}
    }
    let (sent, refused) = (messages * pairs.len(), pairs.iter().map(|pair| pair.refused).sum::<usize>());
    println!(
        "{sent} messages in {:.1} s on {:?}, {refused} of them refused at first; the log had at most {:.1} MiB",
        begun.elapsed().as_secs_f64(),
        volume.file_system,
        log.get() as f64 / f64::from(1 << 20),
    );
    assert!((1..=LOG_BYTES_MAX).contains(&log.get()), "{} bytes of log", log.get());
    assert_eq!(pairs.iter().map(MailPair::stored).sum::<usize>(), sent);
}

async fn send_for_a_day(relay: &RelayProcess, pair: &mut MailPair, messages: usize, pace: Option<Duration>) {
    let mut sender = pair.connect_sender(relay).await;
    let template = pair.envelope(BODY_CHARACTERS);
    let mut pace = pace.map(interval);
    for number in 0..messages {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        if number > 0 && number % (messages / VISITS) == 0 {
            pair.take_all(relay).await;
        }
        pair.send(&mut sender, &template).await;
    }
    sender.leave().await;
}

async fn watch_log(path: &Path, largest: &Cell<u64>) {
    let mut looks = interval(Duration::from_millis(20));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        largest.set(largest.get().max(bytes));
    }
}
