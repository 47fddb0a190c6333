//! One life of a relay's store: the real writer, reader and copier of the log over a faulty disk.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use sqlite_faults::{Disk, Fault};
use tokio::task::JoinHandle;

use super::super::*;
use super::expected::Expected;
use super::run::Flaw;
use crate::message_store::commit_scheduler::RETRY_INTERVAL;
use crate::message_store::write_queue::STALL_TIMEOUT;

/// Bytes of a message: below a page, and a page and more.
const BODY_BYTES: [usize; 4] = [20, 900, 9_000, 20_000];
/// Writes that are pushed at a time.
const WRITES_MAX: u64 = 12;
/// Operations that a fault strikes: as few as one retry gets past, and more than many.
const TIMES: [u64; 3] = [1, 4, 100];
/// Longer than the writer needs for as many attempts as a fault strikes, in the runtime's time.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(300);
const OUTCOMES: [Option<Outcome>; 4] =
    [Some(Outcome::Delivered), Some(Outcome::Expired), Some(Outcome::Refused), None];

pub(super) struct Life<'a> {
    disk: &'a Disk,
    expected: &'a mut Expected,
    rng: &'a mut StdRng,
    next_row: RowId,
    flaw: Option<Flaw>,
    queue: Arc<WriteQueue>,
    loads: mpsc::Sender<LoadRequest>,
    reports: mpsc::UnboundedReceiver<StoreReport>,
    checkpointer: Checkpointer,
    tasks: Vec<JoinHandle<()>>,
    /// A fault of this kind is planned and has not struck.
    hang_is_planned: bool,
}

impl<'a> Life<'a> {
    /// Opens the store and compares it with what is expected. An error is one of SQLite's.
    pub(super) async fn begin(
        folder: &Path,
        (disk, expected, rng): (&'a Disk, &'a mut Expected, &'a mut StdRng),
        flaw: Option<Flaw>,
    ) -> Result<Self, String> {
        let log_bytes_max = if rng.random_bool(0.7) { 1 << 17 } else { 1 << 20 };
        let settings = MessageStoreSettings { log_bytes_max, ..fixtures::settings(folder) };
        let mut store = MessageStore::open(settings).await.map_err(|error| format!("{error:?}"))?;
        compare(&mut store, disk, expected).await?;
        let next_row = store.next_row().await.map_err(|error| error.to_string())?;
        if flaw == Some(Flaw::WriterDoesNotSync) {
            sqlx::query("pragma synchronous = off").execute(&mut store.writing).await.unwrap();
        }
        if flaw == Some(Flaw::CheckpointsAreNotSynced) {
            store.options = store.options.synchronous(SqliteSynchronous::Off);
        }
        let started = store.start(LOADS_MAX).await.map_err(|error| error.to_string())?;
        let (seen, reports) = mpsc::unbounded_channel();
        let report: ReportHandler = Arc::new(move |report| drop(seen.send(report)));
        let tasks = vec![
            tokio::spawn(started.writer.run(Arc::clone(&report))),
            tokio::spawn(started.reader.run(report, CancellationToken::new())),
        ];
        let (queue, loads, checkpointer) = (started.queue, started.loads, started.checkpointer);
        let hang_is_planned = false;
        Ok(Self {
            disk,
            expected,
            rng,
            next_row,
            flaw,
            queue,
            loads,
            reports,
            checkpointer,
            tasks,
            hang_is_planned,
        })
    }

    pub(super) async fn step(&mut self) {
        match self.rng.random_range(0..10) {
            0..6 => self.write().await,
            6 | 7 => self.copy_log().await,
            _ => self.load().await,
        }
    }

    pub(super) fn plan(&mut self, fault: Fault) {
        let (after, times) = (self.rng.random_range(0..20), *TIMES.choose(self.rng).unwrap());
        self.hang_is_planned = matches!(fault, Fault::Hang | Fault::HangingSync);
        self.disk.plan(fault, after, if self.hang_is_planned { 1 } else { times });
    }

    /// A number below this one.
    pub(super) fn draw(&mut self, below: u32) -> u32 {
        self.rng.random_range(0..below)
    }

    async fn write(&mut self) {
        for _ in 0..self.rng.random_range(1..=WRITES_MAX) {
            let write = self.draw_write();
            self.expected.on_push(&write);
            self.queue.push(write);
        }
        if self.flaw == Some(Flaw::AnswersBeforeTheCommit) {
            let (upto, took) = (self.next_row, Duration::ZERO);
            let rows = self.expected.open_rows();
            self.expected.on_report(&StoreReport::Stored { upto, rows, took });
        }
        self.settle().await;
    }

    fn draw_write(&mut self) -> Write {
        let waiting = self.expected.waiting();
        let chosen = waiting.choose(self.rng).copied();
        let outcome = *OUTCOMES.choose(self.rng).unwrap();
        match (self.rng.random_range(0..20), chosen) {
            (0, _) => Write::Forget { accepted_before: 1_001 },
            (1..4, Some(ends)) => {
                let (outcome, ends) = (Outcome::Dropped, Some(ends));
                self.insert(WriteContent::Notice { outcome, reason: None, ends })
            }
            (4..9, Some(row)) => Write::Remove { row, outcome },
            _ => {
                let mut body = vec![0; *BODY_BYTES.choose(self.rng).unwrap()];
                self.rng.fill_bytes(&mut body);
                self.insert(WriteContent::Message(body.into()))
            }
        }
    }

    fn insert(&mut self, content: WriteContent) -> Write {
        self.next_row += 1;
        Write::Insert(row(self.next_row - 1, content))
    }

    /// Waits until everything that was pushed is decided, or the power is gone. Rows are decided
    /// without a second attempt of the writer.
    async fn settle(&mut self) {
        let (started, mut late) = (tokio::time::Instant::now(), false);
        while self.expected.has_open() && self.disk.has_power() {
            if started.elapsed() > RECOVERY_TIMEOUT {
                return self.expected.violation("the store does not work again".to_owned());
            }
            tokio::select! {
                biased;
                report = self.reports.recv() => self.expected.on_report(&report.unwrap()),
                () = until_it_hangs(self.disk), if self.hang_is_planned => self.while_it_hangs().await,
            }
            late |= self.expected.open_rows() > 0 && started.elapsed() > RETRY_INTERVAL + STALL_TIMEOUT;
        }
        while let Ok(report) = self.reports.try_recv() {
            self.expected.on_report(&report);
        }
        if late {
            self.expected.violation("a sender waited for a second attempt to write".to_owned());
        }
    }

    /// Another connection reads and copies the log meanwhile, and the power may fail.
    async fn while_it_hangs(&mut self) {
        self.hang_is_planned = false;
        let Some(hanging) = self.disk.hanging() else { return };
        tokio::time::advance(STALL_TIMEOUT + Duration::from_millis(1)).await;
        let condition = self.queue.condition();
        if !matches!(condition, StoreCondition::Stalled | StoreCondition::Failing) {
            self.expected.violation(format!("the store hangs, and is said to be {condition:?}"));
        }
        if self.rng.random_bool(0.5) {
            self.disk.plan(Fault::PowerLoss, self.rng.random_range(0..20), 1);
        }
        // A log is written by commits only, and a commit does not stand in the way of a copy.
        if hanging.writes && hanging.file.to_string_lossy().ends_with("-wal") {
            self.checkpointer.copy().await;
        }
        self.disk.release(self.rng.random_bool(0.5));
    }

    async fn copy_log(&mut self) {
        let copied = self.checkpointer.copy();
        tokio::pin!(copied);
        tokio::select! {
            biased;
            () = &mut copied => return,
            () = until_it_hangs(self.disk), if self.hang_is_planned => {}
        }
        self.hang_is_planned = false;
        self.disk.release(self.rng.random_bool(0.5));
        copied.await;
    }

    async fn load(&mut self) {
        let rows = self.expected.readable();
        let count = self.rng.random_range(0..=rows.len());
        let rows: Vec<RowId> = rows.into_iter().take(count).collect();
        let agent = crate::core::AgentSlot::default();
        self.loads.send(LoadRequest { agent, epoch: 1, rows: rows.clone() }).await.unwrap();
        loop {
            match self.reports.recv().await.unwrap() {
                StoreReport::Loaded { page, .. } => return self.expected.check_page(&rows, &page),
                StoreReport::LoadFailed { .. } => return,
                other => self.expected.on_report(&other),
            }
        }
    }

    /// After the fault: the store works again without anybody's help.
    pub(super) async fn repair(&mut self) {
        self.disk.repair();
        self.hang_is_planned = false;
        self.settle().await;
        for _ in 0..2 {
            self.write().await;
        }
        self.copy_log().await;
        self.load().await;
    }

    /// Stops the relay, with its power if that is still there.
    pub(super) async fn end(self) {
        let Self { disk, expected, queue, loads, mut reports, checkpointer, tasks, .. } = self;
        // A hang would hold up the end.
        disk.repair();
        disk.release(true);
        queue.close();
        drop(loads);
        checkpointer.close().await;
        for task in tasks {
            task.await.unwrap();
        }
        while let Ok(report) = reports.try_recv() {
            expected.on_report(&report);
        }
        disk.cut_power();
    }
}

async fn until_it_hangs(disk: &Disk) {
    while disk.hanging().is_none() {
        tokio::task::yield_now().await;
    }
}

async fn compare(store: &mut MessageStore, disk: &Disk, expected: &mut Expected) -> Result<(), String> {
    let (mut rows, struck) = (Vec::new(), disk.struck());
    store.restore(0, |row| rows.push(row)).await.map_err(|error| format!("{error:?}"))?;
    let read = async |store: &mut MessageStore| -> sqlx::Result<_> {
        let bodies = "select row, envelope from bodies union all select row, envelope from spare_bodies";
        let bodies: Vec<(i64, Vec<u8>)> = sqlx::query_as(bodies).fetch_all(&mut store.reading).await?;
        let health: Vec<String> =
            sqlx::query_scalar("pragma integrity_check").fetch_all(&mut store.reading).await?;
        let vacuum: i64 = sqlx::query_scalar("pragma auto_vacuum").fetch_one(&mut store.reading).await?;
        Ok((bodies, health, vacuum))
    };
    let (bodies, health, vacuum) = read(store).await.map_err(|error| error.to_string())?;
    if disk.struck() == struck && (health != ["ok"] || vacuum != 2) {
        expected.violation(format!("the file is damaged, or never shrinks ({vacuum}): {health:?}"));
    }
    let bodies: BTreeMap<RowId, Bytes> =
        bodies.into_iter().map(|(row, body)| (row.cast_unsigned(), body.into())).collect();
    expected.restart(rows, &bodies);
    Ok(())
}
