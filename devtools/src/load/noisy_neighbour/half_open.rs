//! Opens connections, sends half the head of a request, and waits until the relay closes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::super::client_socket::connect;
use super::answers::{CLOSED, SharedAnswers};
use super::site::AttackTarget;

/// Connections at a time: more than a quarter of all, which is what one address may have without a
/// whole request.
const HALF_OPEN: usize = 400;

pub(super) fn spawn(
    target: &Arc<AttackTarget>,
    answers: &Arc<SharedAnswers>,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) {
    for _ in 0..HALF_OPEN {
        let (target, answers) = (Arc::clone(target), Arc::clone(answers));
        tasks.spawn_local(async move {
            let source = target.source()?;
            loop {
                // A connection that is reset is closed too.
                drop(open_half(&target, source, &answers).await);
                answers.refuse(CLOSED);
            }
        });
    }
}

/// Returns when the relay has closed the connection.
async fn open_half(target: &AttackTarget, source: Ipv4Addr, answers: &SharedAnswers) -> std::io::Result<()> {
    let mut stream = connect(target.address, source).await?;
    stream.write_all(b"GET /ws HTTP/1.1\r\nhost: relay.test\r\n").await?;
    answers.accept();
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}
