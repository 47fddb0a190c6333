//! The gateway with a scripted agent: what clients get of what it says, and when.

use std::sync::Mutex;

use async_trait::async_trait;
use futures::StreamExt as _;
use msg2agent::DiscoveredAgent;
use protocol::Did;
use protocol::envelope::{Content, MessageId, MessageType};
use protocol::record::Card;
use protocol::task::{Artifact, Part as TaskPart, State, Status, TaskMessage};
use serde_json::json;

use super::incoming::{AgentMessage, Taken};
use super::*;
use crate::caller::{Caller, VerifiedBy};
use crate::clock;
use crate::error::ErrorKind;
use crate::model::{
    CancelTaskRequest, GetTaskRequest, ListTasksRequest, Message, Part, PushConfigId, Role,
    SendMessageConfiguration, SendMessageRequest, SendMessageResponse, StreamResponse,
    SubscribeToTaskRequest, Task, TaskPushNotificationConfig, TaskState,
};
use crate::network::NetworkError;
use crate::service::{Call, TaskService as _};
use crate::store::UnsentMessage;
use crate::webhook::WebhookPolicy;

struct TestNetwork {
    own: Did,
    sent: Mutex<Vec<UnsentMessage>>,
    refusal: Mutex<Option<NetworkError>>,
}

#[async_trait]
impl Network for TestNetwork {
    fn own_did(&self) -> &Did {
        &self.own
    }

    async fn send(&self, message: &UnsentMessage) -> Result<(), NetworkError> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        self.sent.lock().unwrap().push(message.clone());
        Ok(())
    }

    async fn lookup(&self, agent: &Did) -> Result<Card, NetworkError> {
        if agent.name() == "bob" { Ok(Card::default()) } else { Err(NetworkError::NotFound) }
    }

    async fn discover(&self) -> Result<Vec<DiscoveredAgent>, NetworkError> {
        Ok(Vec::new())
    }
}

struct Setup {
    gateway: TaskGateway,
    network: Arc<TestNetwork>,
}

fn bob() -> Did {
    "did:wba:example.com:agent:acme:bob".parse().unwrap()
}

impl Setup {
    async fn new() -> Self {
        Self::with_store(TaskStore::in_memory().await.unwrap())
    }

    fn with_store(store: TaskStore) -> Self {
        let own = "did:wba:example.com:agent:acme:front".parse().unwrap();
        let network = Arc::new(TestNetwork { own, sent: Mutex::default(), refusal: Mutex::default() });
        let modes = AgentModes { input: vec!["text/plain".into()], ..AgentModes::default() };
        let answer_timeout = Duration::from_secs(5);
        let gateway =
            TaskGateway::new(store, Arc::clone(&network) as _, modes, answer_timeout, WebhookPolicy::Public);
        Self { gateway, network }
    }

    async fn begun(&self) -> Task {
        let request = SendMessageRequest {
            configuration: SendMessageConfiguration { return_immediately: true, ..Default::default() },
            ..request("do it")
        };
        match self.gateway.send_message(&call("alice"), request).await.unwrap() {
            SendMessageResponse::Task(task) => *task,
            SendMessageResponse::Message(_) => panic!("a message"),
        }
    }

    async fn say(&self, id: u8, message: TaskMessage) -> Taken {
        self.hear(id, MessageType::Event, None, message.to_content()).await
    }

    async fn hear(&self, id: u8, kind: MessageType, re: Option<MessageId>, content: Content) -> Taken {
        let id = MessageId::new(1_790_000_001, [id; 10]);
        self.gateway.receive(AgentMessage { from: bob(), id, kind, re, content }).await
    }

    async fn task(&self, id: &str) -> Task {
        let request = GetTaskRequest { id: id.into(), history_length: None };
        self.gateway.get_task(&call("alice"), request).await.unwrap()
    }
}

fn call(subject: &str) -> Call {
    let caller = Caller {
        subject: subject.into(),
        verified_by: VerifiedBy::ApiKey,
        tenant: "acme".into(),
        agent: None,
    };
    Call { caller, agent: "bob".into(), extensions: Vec::new() }
}

fn request(text: &str) -> SendMessageRequest {
    let message = Message { role: Role::User, ..Message::of_agent("m", vec![Part::text(text)]) };
    SendMessageRequest { message, configuration: SendMessageConfiguration::default(), metadata: None }
}

fn status(task: &Task, revision: u64, state: State, output: Option<serde_json::Value>) -> TaskMessage {
    let task = task.id.parse().unwrap();
    TaskMessage::Status(Status { task, revision, state, note: None, progress: None, output })
}

fn chunk(task: &Task, revision: u64, text: &str, append: bool) -> TaskMessage {
    TaskMessage::Artifact(Artifact {
        task: task.id.parse().unwrap(),
        revision,
        artifact: "a".into(),
        name: None,
        description: None,
        parts: vec![TaskPart::text(text)],
        append,
        last: append,
    })
}

#[tokio::test]
async fn a_request_waits_for_the_result_and_gets_it_as_an_artifact() {
    let setup = Setup::new().await;
    let gateway = setup.gateway.clone();
    let asked = tokio::spawn(async move { gateway.send_message(&call("alice"), request("sum")).await });
    let unsent = loop {
        match setup.gateway.store().unsent(1).await.unwrap().pop() {
            Some(unsent) => break unsent,
            None => tokio::task::yield_now().await,
        }
    };
    let id = unsent.task_id;
    let done = TaskMessage::Status(Status {
        task: id,
        revision: 1,
        state: State::Completed,
        note: Some("done".into()),
        progress: None,
        output: Some(json!({"sum": 3})),
    });
    assert_eq!(setup.say(1, done).await, Taken::Changed);
    let SendMessageResponse::Task(task) = asked.await.unwrap().unwrap() else { panic!("a message") };
    assert_eq!((task.id.as_str(), task.status.state), (id.to_string().as_str(), TaskState::Completed));
    assert_eq!(task.artifacts.unwrap()[0].parts, [Part::data(json!({"sum": 3}))]);
    assert_eq!(task.status.message.unwrap().parts, [Part::text("done")]);
}

#[tokio::test]
async fn a_plain_answer_is_a_message_for_who_waits_and_an_artifact_for_who_asks_later() {
    let setup = Setup::new().await;
    let mut stream = setup.gateway.send_streaming_message(&call("alice"), request("hi")).await.unwrap();
    let id = setup.gateway.store().unsent(1).await.unwrap()[0].task_id;
    setup.hear(1, MessageType::Response, Some(id), Content::text("hello")).await;
    let StreamResponse::Message(message) = stream.next().await.unwrap().unwrap() else { panic!("a task") };
    assert_eq!(message.parts, [Part::text("hello")]);
    assert!(stream.next().await.is_none());
    let task = setup.task(&id.to_string()).await;
    assert_eq!(task.status.state, TaskState::Completed);
    assert_eq!(task.artifacts.unwrap()[0].parts, [Part::text("hello")]);
}

#[tokio::test]
async fn every_stream_of_a_task_gets_the_same_events_in_order_and_ends_with_it() {
    let setup = Setup::new().await;
    let first = setup.gateway.send_streaming_message(&call("alice"), request("go")).await.unwrap();
    let task = setup.gateway.store().unsent(1).await.unwrap()[0].task_id.to_string();
    let task = setup.task(&task).await;
    let subscribe = SubscribeToTaskRequest { id: task.id.clone() };
    let second = setup.gateway.subscribe_to_task(&call("alice"), subscribe).await.unwrap();
    setup.say(1, status(&task, 1, State::Working, None)).await;
    setup.say(2, chunk(&task, 2, "one ", false)).await;
    assert_eq!(setup.say(2, chunk(&task, 2, "one ", false)).await, Taken::Ignored("stale"));
    setup.say(3, chunk(&task, 3, "two", true)).await;
    setup.say(4, status(&task, 4, State::Completed, None)).await;
    let first: Vec<_> = first.map(Result::unwrap).collect().await;
    let second: Vec<_> = second.map(Result::unwrap).collect().await;
    assert_eq!(first, second);
    let kinds: Vec<_> = first
        .iter()
        .map(|event| match event {
            StreamResponse::Task(task) => task.status.state.as_str().to_owned(),
            StreamResponse::StatusUpdate(update) => update.status.state.as_str().to_owned(),
            StreamResponse::ArtifactUpdate(update) => format!("{} {}", update.append, update.last_chunk),
            StreamResponse::Message(_) => "message".to_owned(),
        })
        .collect();
    let expected =
        ["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "false false", "true true", "TASK_STATE_COMPLETED"];
    assert_eq!(kinds, expected);
    assert_eq!(setup.task(&task.id).await.artifacts.unwrap()[0].parts.len(), 2);
}

#[tokio::test]
async fn a_sleeping_agent_answers_after_a_restart_and_the_client_gets_it_by_subscribing() {
    let folder = tempfile::tempdir().unwrap();
    let before = Setup::with_store(TaskStore::open(folder.path()).await.unwrap());
    let task = before.begun().await;
    assert_eq!(task.status.state, TaskState::Submitted);
    before.gateway.store().close().await;
    let setup = Setup::with_store(TaskStore::open(folder.path()).await.unwrap());
    let subscribe = SubscribeToTaskRequest { id: task.id.clone() };
    let mut stream = setup.gateway.subscribe_to_task(&call("alice"), subscribe).await.unwrap();
    assert!(matches!(stream.next().await.unwrap().unwrap(), StreamResponse::Task(_)));
    assert_eq!(setup.gateway.store().unsent(9).await.unwrap().len(), 1, "it leaves now");
    setup.say(1, status(&task, 1, State::Completed, Some(json!("late")))).await;
    assert!(matches!(stream.next().await.unwrap().unwrap(), StreamResponse::ArtifactUpdate(_)));
    assert!(stream.next().await.unwrap().unwrap().is_last());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_question_is_answered_in_the_same_task() {
    let setup = Setup::new().await;
    let task = setup.begun().await;
    setup.say(1, status(&task, 1, State::InputRequired, Some(json!("which?")))).await;
    let mut answer = request("this");
    answer.message.task_id = Some(task.id.clone());
    let mut other = answer.clone();
    other.message.context_id = Some("another".into());
    let refused = setup.gateway.send_message(&call("alice"), other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParams);
    let gateway = setup.gateway.clone();
    let asked = tokio::spawn(async move { gateway.send_message(&call("alice"), answer).await });
    while setup.task(&task.id).await.history.len() < 3 {
        tokio::task::yield_now().await;
    }
    setup.say(2, status(&task, 2, State::Completed, None)).await;
    let SendMessageResponse::Task(done) = asked.await.unwrap().unwrap() else { panic!("a message") };
    assert_eq!(done.status.state, TaskState::Completed);
    let mut late = request("more");
    late.message.task_id = Some(task.id.clone());
    let refused = setup.gateway.send_message(&call("alice"), late).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::UnsupportedOperation);
    let subscribe = SubscribeToTaskRequest { id: task.id };
    let refused = setup.gateway.subscribe_to_task(&call("alice"), subscribe).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::UnsupportedOperation);
}

#[tokio::test]
async fn another_caller_finds_nothing_with_any_operation() {
    let setup = Setup::new().await;
    let task = setup.begun().await;
    let (gateway, mallory) = (&setup.gateway, call("mallory"));
    let id = || task.id.clone();
    let mut more = request("more");
    more.message.task_id = Some(id());
    let config = PushConfigId { task_id: id(), id: "a".into() };
    let webhook = TaskPushNotificationConfig {
        id: "a".into(),
        task_id: id(),
        url: "https://example.com".into(),
        token: String::new(),
        authentication: None,
    };
    let get = GetTaskRequest { id: id(), history_length: None };
    let cancel = CancelTaskRequest { id: id(), metadata: None };
    for error in [
        gateway.send_message(&mallory, more).await.map(drop).unwrap_err(),
        gateway.get_task(&mallory, get).await.map(drop).unwrap_err(),
        gateway.cancel_task(&mallory, cancel).await.map(drop).unwrap_err(),
        gateway.subscribe_to_task(&mallory, SubscribeToTaskRequest { id: id() }).await.map(drop).unwrap_err(),
        gateway.create_push_config(&mallory, webhook).await.map(drop).unwrap_err(),
        gateway.get_push_config(&mallory, config.clone()).await.map(drop).unwrap_err(),
        gateway.delete_push_config(&mallory, config).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::TaskNotFound);
    }
    let list = ListTasksRequest {
        context_id: None,
        status: None,
        page_size: 9,
        page_token: None,
        history_length: None,
        status_timestamp_after: None,
        include_artifacts: false,
    };
    assert_eq!(gateway.list_tasks(&mallory, list.clone()).await.unwrap().total_size, 0);
    let own = gateway.list_tasks(&call("alice"), list.clone()).await.unwrap();
    assert_eq!((own.total_size, own.tasks[0].artifacts.as_ref()), (1, None));
    let foreign = ListTasksRequest { page_token: Some("nonsense".into()), ..list };
    assert_eq!(gateway.list_tasks(&mallory, foreign).await.unwrap_err().kind(), ErrorKind::InvalidParams);
}

#[tokio::test]
async fn what_an_agent_does_not_take_and_unknown_agents_are_refused_before_a_task_begins() {
    let setup = Setup::new().await;
    let mut image = request("");
    image.message.parts[0].media_type = "image/png".into();
    let refused = setup.gateway.send_message(&call("alice"), image).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ContentTypeNotSupported);
    for name in ["carol", "front", "../bob", "Bob"] {
        let to = Call { agent: name.into(), ..call("alice") };
        let refused = setup.gateway.send_message(&to, request("hi")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AgentNotFound, "{name}");
    }
    let mut inside = request("hi");
    inside.configuration.task_push_notification_config = Some(TaskPushNotificationConfig {
        id: String::new(),
        task_id: String::new(),
        url: "https://169.254.169.254/".into(),
        token: String::new(),
        authentication: None,
    });
    let refused = setup.gateway.send_message(&call("alice"), inside).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParams);
    assert!(setup.gateway.store().unsent(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_agent_of_a_task_speaks_about_it() {
    let setup = Setup::new().await;
    let task = setup.begun().await;
    let said = AgentMessage {
        from: "did:wba:example.com:agent:acme:mallory".parse().unwrap(),
        id: clock::new_message_id(),
        kind: MessageType::Event,
        re: None,
        content: status(&task, 1, State::Completed, None).to_content(),
    };
    assert_eq!(setup.gateway.receive(said).await, Taken::Foreign);
    assert_eq!(setup.task(&task.id).await.status.state, TaskState::Submitted);
}

#[tokio::test]
async fn a_message_that_the_relay_refuses_for_good_fails_its_task() {
    let setup = Setup::new().await;
    *setup.network.refusal.lock().unwrap() = Some(NetworkError::Refused("suspended".into()));
    let shutdown = daemon::Shutdown::new();
    let sender = tokio::spawn(outbox_sender::run(setup.gateway.clone(), shutdown.clone()));
    let answer = setup.gateway.send_message(&call("alice"), request("hi")).await.unwrap();
    let SendMessageResponse::Task(task) = answer else { panic!("a message") };
    assert_eq!(task.status.state, TaskState::Failed);
    assert_eq!(task.status.message.unwrap().parts, [Part::text("suspended")]);
    shutdown.begin();
    sender.await.unwrap();
    assert!(setup.network.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cancellation_is_sent_and_the_agent_ends_the_task() {
    let setup = Setup::new().await;
    let task = setup.begun().await;
    let (gateway, id) = (setup.gateway.clone(), task.id.clone());
    let request = CancelTaskRequest { id, metadata: None };
    let again = request.clone();
    let asked = tokio::spawn(async move { gateway.cancel_task(&call("alice"), request).await });
    while setup.gateway.store().unsent(9).await.unwrap().len() < 2 {
        let submit = setup.gateway.store().unsent(9).await.unwrap().pop().unwrap();
        if submit.is_submit() {
            setup.gateway.store().mark_sent(&submit).await.unwrap();
        } else {
            break;
        }
        tokio::task::yield_now().await;
    }
    setup.say(1, status(&task, 1, State::Canceled, None)).await;
    assert_eq!(asked.await.unwrap().unwrap().status.state, TaskState::Canceled);
    let refused = setup.gateway.cancel_task(&call("alice"), again).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TaskNotCancelable);
}
