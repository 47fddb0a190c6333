//! Lets two callers at one gateway call every tool with all they could know of each other. No byte
//! crosses, and neither changes anything of the other.

use devtools::gateway_site::GatewaySite;
use devtools::http_client;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{call, key};

/// Times each caller goes through all tools.
const TURNS: usize = 6;

/// The objects of one caller, and the texts that only they may see.
struct Owned {
    agent: usize,
    canary: String,
    message: String,
    task: String,
}

/// The seed of this run; the one of a failed run when it is named.
fn seed() -> u64 {
    let named = std::env::var("MSG2AGENT_TEST_SEED").ok().and_then(|text| text.parse().ok());
    named.unwrap_or_else(|| rand::rng().next_u64())
}

async fn give(site: &GatewaySite, agent: usize, name: &str, canary: String) -> Owned {
    let carol = key(site, 2);
    let message = json!({"to": name, "text": canary, "thread": format!("thread of {canary}")});
    let sent = call(site, carol, "send_message", message).await;
    let task = json!({"to": name, "text": canary, "title": format!("task of {canary}")});
    let given = call(site, carol, "submit_task", task).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let owned = Owned { agent, canary, message: text(&sent["id"]), task: text(&given["task"]["id"]) };
    // Both have arrived before the callers begin.
    let listed = call(site, key(site, agent), "list_messages", json!({"wait_seconds": 20})).await;
    assert!(listed.to_string().contains(&owned.message), "{listed}");
    let status = json!({"id": owned.task});
    devtools::eventually::eventually(
        "the task has arrived",
        super::super::endpoint::READY_TIMEOUT,
        async || {
            let answer = site.gateways[0].call(key(site, agent), "get_task_status", status.clone()).await?;
            anyhow::ensure!(answer["result"]["isError"] != true, "{answer}");
            Ok(())
        },
    )
    .await
    .unwrap();
    owned
}

/// Arguments that a caller may come up with. Their own message and task are left as they are.
fn arguments(tool: &str, own: &Owned, other: &Owned, rng: &mut StdRng) -> Value {
    let foreign_message = other.message.clone();
    let foreign_task = other.task.clone();
    let message = [own.message.clone(), foreign_message.clone()].choose(rng).unwrap().clone();
    let task = [own.task.clone(), foreign_task.clone()].choose(rng).unwrap().clone();
    match tool {
        "send_message" => json!({"to": "carol", "text": "hello", "re": foreign_message}),
        "list_messages" => json!({"from": "carol", "limit": rng.random_range(1..50)}),
        "read_message" => json!({"id": message, "offset": rng.random_range(0..3)}),
        "delete_message" => json!({"id": foreign_message}),
        "submit_task" => json!({"to": "carol", "text": "do it"}),
        "get_task_status" => json!({"id": task}),
        "send_task_input" => json!({"id": foreign_task, "text": "input"}),
        "cancel_task" => json!({"id": foreign_task}),
        "update_task" => json!({"id": foreign_task, "state": "completed", "text": "done"}),
        "query_capabilities" => json!({"capabilities": ["plan.create"]}),
        "get_agent_info" => json!({"agent": "carol"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn two_callers_with_every_tool_share_no_byte() {
    let seed = seed();
    eprintln!("MSG2AGENT_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let site = GatewaySite::start(&["alice", "bob", "carol"], 1).await.unwrap();
    let owned = [
        give(&site, 0, "alice", format!("canary-a-{:016x}", rng.next_u64())).await,
        give(&site, 1, "bob", format!("canary-b-{:016x}", rng.next_u64())).await,
    ];
    let listed = site.gateways[0]
        .request(&http_client::new().unwrap(), key(&site, 0), "tools/list", json!({}))
        .send()
        .await
        .unwrap();
    let listed: Value = listed.json().await.unwrap();
    let tools: Vec<String> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tools.len(), 15);
    for _ in 0..TURNS {
        let mut calls: Vec<_> = (0..2).flat_map(|who| tools.iter().map(move |tool| (who, tool))).collect();
        calls.shuffle(&mut rng);
        // In pairs at the same time, so that their answers could be mixed up.
        for pair in calls.chunks(2) {
            let answers = pair.iter().map(|(who, tool)| {
                let (own, other) = (&owned[*who], &owned[1 - *who]);
                let arguments = arguments(tool, own, other, &mut rng);
                let answer = site.gateways[0].call(key(&site, own.agent), tool, arguments);
                async move { (other, tool, answer.await.unwrap()) }
            });
            let answers: Vec<_> = answers.collect();
            for (other, tool, answer) in futures::future::join_all(answers).await {
                assert!(!answer.to_string().contains(&other.canary), "{tool}: {answer}");
            }
        }
        resources(&site, &owned).await;
    }
    for own in &owned {
        let read = call(&site, key(&site, own.agent), "read_message", json!({"id": own.message})).await;
        assert!(read.to_string().contains(&own.canary), "{read}");
        let task = call(&site, key(&site, own.agent), "get_task_status", json!({"id": own.task})).await;
        assert_eq!(task["task"]["state"], "submitted", "{task}");
    }
}

/// Everything each caller can list or read as resource.
async fn resources(site: &GatewaySite, owned: &[Owned; 2]) {
    for (own, other) in [(&owned[0], &owned[1]), (&owned[1], &owned[0])] {
        let uris = ["msg2agent://inbox".to_owned(), "msg2agent://tasks".to_owned()];
        let entries =
            [format!("msg2agent://inbox/{}", other.message), format!("msg2agent://tasks/{}", other.task)];
        for uri in uris.into_iter().chain(entries) {
            let http = http_client::new().unwrap();
            let request =
                site.gateways[0].request(&http, key(site, own.agent), "resources/read", json!({"uri": uri}));
            let answer = request.send().await.unwrap().text().await.unwrap();
            assert!(!answer.contains(&other.canary), "{uri}: {answer}");
        }
    }
}
