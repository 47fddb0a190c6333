//! Tests of the watch loop over a scripted source.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use kube::api::{ListParams, WatchParams};
use kube::core::Status;

use super::super::sync_state::SyncState;
use super::super::watch_source::{ListPage, ListedNames, Versioned};
use super::*;
use crate::object_key::NamespacedName;

type Events = BoxStream<'static, kube::Result<Versioned<u32>>>;

/// What the source answers to one request.
enum Answer {
    List(Vec<u32>, Option<&'static str>),
    /// The last page, after a second.
    SlowList(Vec<u32>),
    ListFails,
    /// The names of objects, after a second.
    Names(Option<Vec<u32>>),
    /// Events, and whether the watch then stays open.
    Watch(Vec<Versioned<u32>>, bool),
    WatchFails(u16),
    /// One event that is no object.
    Garbled,
}

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn next(&self, request: String) -> Option<Answer> {
        self.requests.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front()
    }
}

fn failure(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status { code, ..Status::default() }))
}

impl WatchSource<u32> for Script {
    fn list<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, kube::Result<ListPage<u32>>> {
        let answer = self.next(format!("list {}", params.continue_token.as_deref().unwrap_or("")));
        async move {
            let page = |objects: Vec<u32>, next: Option<&str>| ListPage {
                objects: objects.into_iter().map(Ok).collect(),
                next: next.map(str::to_owned),
                resource_version: "5".to_owned(),
            };
            match answer {
                Some(Answer::List(objects, next)) => Ok(page(objects, next)),
                Some(Answer::SlowList(objects)) => {
                    tokio::time::sleep(seconds(1)).await;
                    Ok(page(objects, None))
                }
                Some(_) => Err(failure(500)),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn names<'a>(&'a self, _: &'a ListParams) -> BoxFuture<'a, kube::Result<Option<ListedNames>>> {
        let answer = self.next("names".to_owned());
        async move {
            tokio::time::sleep(seconds(1)).await;
            match answer {
                Some(Answer::Names(names)) => Ok(names.map(|names| names.into_iter().map(name).collect())),
                _ => Err(failure(500)),
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, _: &'a WatchParams, version: &'a str) -> BoxFuture<'a, kube::Result<Events>> {
        let answer = self.next(format!("watch {version}"));
        async move {
            match answer {
                Some(Answer::Watch(events, stays_open)) => {
                    let events = stream::iter(events.into_iter().map(Ok));
                    Ok(if stays_open { events.chain(stream::pending()).boxed() } else { events.boxed() })
                }
                Some(Answer::WatchFails(code)) => Err(failure(code)),
                Some(Answer::Garbled) => {
                    let error = serde_json::from_str::<u32>("?").unwrap_err();
                    Ok(stream::iter([Err(kube::Error::SerdeError(error))]).chain(stream::pending()).boxed())
                }
                Some(_) => Err(failure(500)),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn name(&self, object: &Decoded<u32>) -> NamespacedName {
        name(*object.as_ref().unwrap())
    }
}

fn name(number: u32) -> NamespacedName {
    NamespacedName::new("", &number.to_string())
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl WatchSink<u32> for Seen {
    type Listed = Decoded<u32>;

    fn read(&self, object: Decoded<u32>) -> Decoded<u32> {
        object
    }

    fn listed(&mut self, objects: Vec<Decoded<u32>>) {
        let objects: Vec<_> = objects.into_iter().flatten().collect();
        self.0.lock().unwrap().push(format!("list {objects:?}"));
    }

    fn applied(&mut self, object: Decoded<u32>) {
        self.0.lock().unwrap().push(format!("applied {}", object.unwrap()));
    }

    fn deleted(&mut self, object: Decoded<u32>) {
        self.0.lock().unwrap().push(format!("deleted {}", object.unwrap()));
    }

    fn needs_names(&self) -> bool {
        self.0.lock().unwrap().iter().any(|seen| seen.starts_with("list"))
    }

    fn drop_absent(&mut self, is_present: impl Fn(&NamespacedName) -> bool) -> Vec<NamespacedName> {
        let absent: Vec<_> = (1..=5).map(name).filter(|name| !is_present(name)).collect();
        let numbers = absent.iter().map(|name| name.name.to_string()).collect::<Vec<_>>();
        self.0.lock().unwrap().push(format!("absent {}", numbers.join(" ")));
        absent
    }
}

/// Runs the loop for a time. Returns the requests, what the sink saw, and the state.
async fn run(answers: impl Into<VecDeque<Answer>>, time: Duration) -> (Vec<String>, Vec<String>, SyncState) {
    let (script, seen, state) = (Script::default(), Seen::default(), SyncState::default());
    *script.answers.lock().unwrap() = answers.into();
    let task = WatchTask {
        name: "agents",
        reader: WatchReader { source: script.clone(), label_selector: None, sync: state.register("agents") },
        sink: seen.clone(),
        metrics: Metrics::register(&prometheus::Registry::new()).unwrap(),
        jitter: Jitter::random(),
        kind: PhantomData,
    };
    assert!(tokio::time::timeout(time, task.run()).await.is_err());
    let (requests, seen) = (script.requests.lock().unwrap().clone(), seen.0.lock().unwrap().clone());
    (requests, seen, state)
}

fn event(number: u32, version: &str) -> Versioned<u32> {
    (Observation::Applied(Ok(number)), Some(version.to_owned()))
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

#[tokio::test(start_paused = true)]
async fn a_list_of_several_pages_reaches_the_sink_whole() {
    let answers = [Answer::List(vec![1, 2], Some("two")), Answer::List(vec![3], None)];
    let (requests, seen, state) = run(answers, seconds(1)).await;
    assert_eq!(requests, ["list ", "list two", "watch 5"]);
    assert_eq!(seen, ["list [1, 2, 3]"]);
    assert_eq!(state.check_all(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_pages_are_listed_is_told_at_once_and_is_in_the_list() {
    let deleted = (Observation::Deleted(Ok(1)), Some("7".to_owned()));
    let answers = [
        Answer::List(vec![1, 2], Some("two")),
        Answer::SlowList(vec![3]),
        Answer::Watch(vec![event(4, "6"), deleted], true),
    ];
    let (requests, seen, state) = run(answers, seconds(5)).await;
    assert_eq!(requests, ["list ", "list two", "watch 5"], "the watch goes on after the list");
    assert_eq!(seen, ["applied 4", "deleted 1", "list [2, 3, 4]"]);
    assert_eq!(state.check_all(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_while_pages_are_listed_continues_after_the_list() {
    let answers = [
        Answer::List(vec![1], Some("two")),
        Answer::SlowList(vec![2]),
        Answer::Watch(vec![event(3, "6")], false),
        Answer::Watch(vec![event(4, "7")], true),
    ];
    let (requests, seen, _) = run(answers, seconds(5)).await;
    assert_eq!(requests, ["list ", "list two", "watch 5", "watch 6"]);
    assert_eq!(seen, ["applied 3", "list [1, 2, 3]", "applied 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_continues_after_the_last_event() {
    let answers = [
        Answer::List(vec![], None),
        Answer::Watch(vec![event(1, "6"), (Observation::Bookmark, Some("9".to_owned()))], false),
        Answer::Watch(vec![event(2, "10")], true),
    ];
    let (requests, seen, _) = run(answers, seconds(5)).await;
    assert_eq!(requests, ["list ", "watch 5", "watch 9"]);
    assert_eq!(seen, ["list []", "applied 1", "applied 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_gone_leads_to_a_new_list() {
    let gone = || Observation::Failed(Box::new(Status { code: 410, ..Status::default() }));
    for expired in [Answer::WatchFails(410), Answer::Watch(vec![(gone(), None)], true)] {
        let answers = VecDeque::from([Answer::List(vec![1], None), expired, Answer::List(vec![2], None)]);
        let (requests, seen, _) = run(answers, seconds(5)).await;
        assert_eq!(requests, ["list ", "watch 5", "list ", "watch 5"]);
        assert_eq!(seen, ["list [1]", "list [2]"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_leads_to_a_new_list_because_it_would_come_again() {
    let answers = [Answer::List(vec![1], None), Answer::Garbled, Answer::List(vec![2], None)];
    let (requests, seen, _) = run(answers, seconds(5)).await;
    assert_eq!(requests, ["list ", "watch 5", "list ", "watch 5"]);
    assert_eq!(seen, ["list [1]", "list [2]"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_without_a_new_list() {
    let answers =
        [Answer::List(vec![], None), Answer::WatchFails(503), Answer::Watch(vec![event(1, "6")], true)];
    let (requests, seen, _) = run(answers, seconds(5)).await;
    assert_eq!(requests, ["list ", "watch 5", "watch 5"]);
    assert_eq!(seen, ["list []", "applied 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_started_again_and_does_not_count_as_stuck() {
    let silent = || Answer::Watch(vec![], true);
    let answers = [Answer::List(vec![], None), silent(), silent(), silent()];
    let (requests, _, state) = run(answers, seconds(160)).await;
    assert_eq!(requests.len(), 4, "started again after 78 s: {requests:?}");
    assert_eq!(state.check_all(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_list_always_fails_is_never_synced_and_one_that_stops_is_stuck() {
    let answers: VecDeque<_> = (0..500).map(|_| Answer::ListFails).collect();
    let (_, seen, state) = run(answers, seconds(120)).await;
    assert_eq!(seen, [] as [&str; 0]);
    assert!(state.check_all().is_err());
    let failing = (0..500).map(|_| Answer::WatchFails(500));
    let answers: VecDeque<_> = std::iter::once(Answer::List(vec![], None)).chain(failing).collect();
    let (_, _, state) = run(answers, seconds(101)).await;
    assert!(state.check_all().unwrap_err().contains("heard nothing"));
}

/// The answers of a server that has forgotten the version, to a sink that knows 1 to 5.
fn second_list(names: Answer) -> [Answer; 6] {
    [
        Answer::List(vec![1, 2, 3, 4, 5], None),
        Answer::WatchFails(410),
        Answer::List(vec![1, 2], Some("two")),
        names,
        Answer::Watch(vec![event(5, "6")], true),
        Answer::List(vec![3], None),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_in_a_gap_is_told_before_the_pages_are_read_and_is_not_in_the_list() {
    // 2 was deleted, and 5 made, after the first page.
    let (requests, seen, _) = run(second_list(Answer::Names(Some(vec![1, 3]))), seconds(5)).await;
    assert_eq!(requests, ["list ", "watch 5", "list ", "names", "watch 5", "list two"]);
    assert_eq!(seen, ["list [1, 2, 3, 4, 5]", "applied 5", "absent 2 4", "list [1, 3, 5]"]);
}

#[tokio::test(start_paused = true)]
async fn without_all_names_nothing_counts_as_deleted_before_the_list_is_complete() {
    for unknown in [Answer::Names(None), Answer::ListFails] {
        let (_, seen, state) = run(second_list(unknown), seconds(5)).await;
        assert_eq!(seen, ["list [1, 2, 3, 4, 5]", "applied 5", "list [1, 2, 3, 5]"]);
        assert_eq!(state.check_all(), Ok(()));
    }
}
