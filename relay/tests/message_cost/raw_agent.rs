//! A registered agent whose client makes no allocations.

use std::io::Write as _;

use protocol::Did;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::agent::Agent;
use crate::frame_counter::FrameCounter;
use crate::harness::TEST_TIMEOUT;

pub(crate) struct RawAgent {
    pub(crate) did: Did,
    epoch: u64,
    /// Deliveries that were acknowledged.
    acked: u64,
    stream: TcpStream,
    frames: FrameCounter,
}

impl RawAgent {
    pub(crate) fn new(agent: Agent) -> Self {
        Self {
            did: agent.did,
            epoch: agent.registered.epoch,
            acked: 0,
            stream: agent.socket.into_inner(),
            frames: FrameCounter::default(),
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads until this many text frames have come.
    pub(crate) async fn read_texts(&mut self, count: usize) {
        let mut buffer = [0; 32 * 1024];
        let mut found = 0;
        while found < count || !self.frames.is_between_frames() {
            let read = tokio::time::timeout(TEST_TIMEOUT, self.stream.read(&mut buffer)).await;
            let read = read.unwrap().unwrap();
            assert!(read > 0, "the relay ended the connection");
            found += self.frames.count(&buffer[..read]);
        }
        assert_eq!(found, count, "more frames than expected");
    }

    /// Acknowledges this many more deliveries.
    pub(crate) async fn acknowledge(&mut self, count: u64) {
        self.acked += count;
        let mut bytes = [0; 125 + 6];
        let mut rest = &mut bytes[6..];
        let (epoch, seq) = (self.epoch, self.acked);
        write!(rest, r#"{{"jsonrpc":"2.0","method":"relay.ack","params":{{"epoch":{epoch},"seq":{seq}}}}}"#)
            .unwrap();
        let length = 125 - rest.len();
        bytes[0] = 0x81;
        bytes[1] = 0x80 | u8::try_from(length).unwrap();
        self.write(&bytes[..6 + length]).await;
    }
}
