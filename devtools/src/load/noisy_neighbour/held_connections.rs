//! Opens WebSocket connections with every key and keeps them open, without ever registering.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context as _;
use protocol::admin::Problem;
use protocol::frame::SUBPROTOCOL;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::client_socket::connect;
use super::answers::{CLOSED, SharedAnswers, word_of};
use super::site::{AttackTarget, AttackingAgent};

/// Tasks that open connections at the same time.
const TASKS: usize = 16;
/// Connections that one task keeps. The relay closes those that do not register after ten seconds.
const HELD_MAX: usize = 100;
/// Bytes of an answer to an upgrade at most.
const ANSWER_BYTES_MAX: usize = 4096;

pub(super) fn spawn(
    target: &Arc<AttackTarget>,
    answers: &Arc<SharedAnswers>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    let keys = target.keys();
    for task in 0..TASKS {
        // Each task begins with another key.
        let mut keys = keys.clone();
        let first = task * keys.len() / TASKS;
        keys.rotate_left(first);
        tasks.spawn_local(hold(Arc::clone(target), keys, Arc::clone(answers)));
    }
}

async fn hold(
    target: Arc<AttackTarget>,
    keys: Vec<AttackingAgent>,
    answers: Arc<SharedAnswers>,
) -> anyhow::Result<()> {
    let mut held = VecDeque::new();
    for agent in keys.iter().cycle() {
        match upgrade(&target, agent).await {
            Ok(Ok(stream)) => {
                answers.accept();
                held.push_back(stream);
                if held.len() > HELD_MAX {
                    held.pop_front();
                }
            }
            Ok(Err(problem)) => answers.refuse(word_of(problem.reason, problem.quota)),
            Err(_) => answers.refuse(CLOSED),
        }
    }
    Ok(())
}

/// The open connection, or why it was refused. An error is a connection that ended without a whole
/// answer.
async fn upgrade(
    target: &AttackTarget,
    agent: &AttackingAgent,
) -> anyhow::Result<Result<TcpStream, Problem>> {
    let mut stream = connect(target.address, agent.source).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: relay.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: {SUBPROTOCOL}\r\nauthorization: Bearer {}\r\n\r\n",
        agent.key.reveal()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if let Some(outcome) = answered(&answer)? {
            return Ok(outcome.map_or(Ok(stream), Err));
        }
        let read = stream.read_buf(&mut answer).await?;
        anyhow::ensure!(read > 0 && answer.len() <= ANSWER_BYTES_MAX, "no whole answer");
    }
}

/// The answer in these bytes, if they are all of it: open, or a problem.
fn answered(bytes: &[u8]) -> anyhow::Result<Option<Option<Problem>>> {
    let text = std::str::from_utf8(bytes).context("an answer that is no text")?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    if head.starts_with("HTTP/1.1 101 ") {
        return Ok(Some(None));
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if body.len() < length.context("an answer without a length")? {
        return Ok(None);
    }
    Ok(Some(Some(serde_json::from_str(body).context("an answer that is no problem")?)))
}

#[cfg(test)]
mod tests {
    use protocol::Reason;

    use super::*;

    #[test]
    fn an_answer_is_open_or_a_whole_problem() {
        assert!(matches!(answered(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Ok(Some(None))));
        let body = serde_json::to_string(&Problem::new(Reason::TooManyConnections, None)).unwrap();
        let answer = format!("HTTP/1.1 429 Too Many\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let problem = answered(answer.as_bytes()).unwrap().unwrap().unwrap();
        assert_eq!(problem.reason, Reason::TooManyConnections);
        for length in 0..answer.len() {
            assert!(matches!(answered(&answer.as_bytes()[..length]), Ok(None)), "{length}");
        }
    }
}
