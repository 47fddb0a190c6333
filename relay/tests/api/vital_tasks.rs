//! A panic in a task that the relay cannot run without ends the process with a non-zero exit code.

use std::process::Output;
use std::time::Duration;

use daemon::Shutdown;
use daemon::telemetry::{self, Format};
use futures::FutureExt as _;
use msg2agent_relay::startup::Relay;
use msg2agent_relay::vital_tasks::TaskWrapper;
use tokio::process::Command;

use crate::harness::{TEST_TIMEOUT, config};

/// Environment variable with the name of the task that panics.
const PANICKING_TASK: &str = "MSG2AGENT_TEST_PANICKING_TASK";
/// The task panics after this time, when the relay is up.
const PANIC_GRACE: Duration = Duration::from_millis(300);

/// Runs the test of this name once more, in its own process, where it becomes a relay in which
/// `task` panics.
async fn run_with_panic(test: &str, task: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&format!("vital_tasks::{test}"), "--exact", "--nocapture"])
        .env(PANICKING_TASK, task)
        .kill_on_drop(true);
    tokio::time::timeout(TEST_TIMEOUT, command.output()).await.unwrap().unwrap()
}

async fn assert_ends_the_process(test: &str, task: &str) {
    if let Ok(task) = std::env::var(PANICKING_TASK) {
        run_relay_with_panicking_task(task).await;
    }
    let output = run_with_panic(test, task).await;
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{task}: {log}");
    let line = format!("the task {task} panicked; the relay shuts down and must be restarted");
    assert!(log.contains(&line), "{task}: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_mailbox_writer_ends_the_process() {
    assert_ends_the_process("a_panic_in_the_mailbox_writer_ends_the_process", "mailbox-writer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_mailbox_reader_ends_the_process() {
    assert_ends_the_process("a_panic_in_the_mailbox_reader_ends_the_process", "mailbox-reader").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_checkpointer_ends_the_process() {
    assert_ends_the_process("a_panic_in_the_checkpointer_ends_the_process", "mailbox-checkpoint").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_either_clock_ends_the_process() {
    for clock in ["core-clock", "connection-clock"] {
        assert_ends_the_process("a_panic_in_either_clock_ends_the_process", clock).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_writer_of_the_directory_ends_the_process() {
    assert_ends_the_process("a_panic_in_the_writer_of_the_directory_ends_the_process", "directory-writer")
        .await;
}

/// Exits as `main` does: with code 1 after an error.
#[expect(clippy::panic, reason = "the panic is the fault that the tests plant")]
async fn run_relay_with_panicking_task(task: String) -> ! {
    let build = daemon::build_info!();
    let (format, filter) = (Format::Json, "info".to_owned());
    let _telemetry =
        telemetry::install(&telemetry::Settings { build, format, filter, otlp_endpoint: None }).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::bind(config(folder.path()), build).await.unwrap();
    let wrapper = TaskWrapper::new(move |name, work| {
        if name != task {
            return work;
        }
        async move {
            let _ = tokio::time::timeout(PANIC_GRACE, work).await;
            panic!("a test makes this task panic");
        }
        .boxed()
    });
    let ended = relay.with_task_wrapper(wrapper).run(Shutdown::new()).await;
    std::process::exit(i32::from(ended.is_err()));
}
