//! Tests that a panic under the hub's lock ends the process, also in a task that is not vital.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use daemon::telemetry::{self, Format};
use daemon::{Shutdown, Tasks};
use prometheus::Registry;

use super::*;
use crate::config::Limits;
use crate::directory::{Capacity, Rules};
use crate::message_store::{MessageStore, fixtures};
use crate::store::Store;
use crate::vital_tasks::VitalTasks;

/// Environment variable that is set in the process that has to end.
const CHILD: &str = "MSG2AGENT_TEST_POISONED_HUB";
/// The process has to end with the next tick of a clock. This is long enough for a busy machine.
const END_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn open_hub(folder: &Path, tasks: &Tasks) -> Arc<Hub> {
    let messages = MessageStore::open(fixtures::settings(folder)).await.unwrap();
    let store = Store::open(&folder.join("relay.db")).await.unwrap();
    let rules = Rules { capacity: Capacity { tenants: 1_000, agents: 1_000 }, gateway_url: None };
    let clock = Arc::new(|| 1_000);
    let (directory, writer) =
        Directory::open(store, "example.com".parse().unwrap(), rules, clock).await.unwrap();
    tokio::spawn(writer.run());
    let settings = HubSettings {
        limits: Limits::default().core(),
        connections: Limits::default().connection_shares(),
        page_loads_max: 1,
        reconnect_spread: Duration::ZERO,
    };
    let metrics = Arc::new(HubMetrics::register(&Registry::new()).unwrap());
    Hub::open(messages, directory, settings, metrics, &VitalTasks::new(tasks.clone(), None)).await.unwrap()
}

/// Runs the test of this name once more, alone and in its own process.
fn run_alone(test: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_panic_under_the_lock_of_the_core_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        return poison_the_core();
    }
    let output = run_alone("hub::tests::a_panic_under_the_lock_of_the_core_ends_the_process");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{log}");
    assert!(log.contains("a panic left the message core half changed"), "{log}");
    assert!(!log.contains("the process continued"), "{log}");
}

/// What the test does in the process that has to end.
#[tokio::main]
async fn poison_the_core() {
    let _telemetry = telemetry::install(&telemetry::Settings {
        build: daemon::build_info!(),
        format: Format::Json,
        filter: "info".into(),
        otlp_endpoint: None,
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new(Shutdown::new());
    let hub = open_hub(folder.path(), &tasks).await;
    // Like the task of a connection, this one is not awaited.
    // The clocks run as long as somebody else holds the hub.
    let held = Arc::clone(&hub);
    tokio::spawn(async move { hub.with_state(|_| panic!("a test panics under the lock")) });
    tokio::time::sleep(END_TIMEOUT).await;
    drop(held);
    eprintln!("the process continued");
    std::process::exit(0);
}
