//! The task of a connection: reads, hands frames to the hub in batches, and registers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use protocol::Reason;
use protocol::close::CloseCode;
use protocol::frame::{ChallengeParams, ChallengeResult, RegisterParams};
use protocol::limits::CHALLENGE_LIFETIME;
use tokio::io::ReadBuf;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::connection::Connection;
use super::engine::{Engine, Fed};
use super::query;
use super::register::{self, Challenge};
use super::request::{Request, read};
use super::trace::span_of;
use crate::core::{Opened, Rate, RequestId, TokenBucket};
use crate::hub::{Batch, Hub, Item};

/// Bytes of one read. Shared by all connections of a thread, so that an idle connection has none.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Reads in a row before other connections get their turn: 256 KiB.
const READS_PER_TURN: u32 = 4;
/// Requests of one connection besides sends, which the core counts.
const QUERY_RATE: Rate = Rate { per_second: 20.0, burst: 100.0 };
/// Frames that cannot be read before the connection is closed; a client with a bug learns what is wrong first.
const UNREADABLE_MAX: u32 = 16;
/// Time for the last bytes and the closing of the socket.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

struct Session {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    engine: Engine,
    challenge: Option<Challenge>,
    queries: TokenBucket,
    unreadable: u32,
    registered: bool,
}

/// Runs the connection to its end.
pub(crate) async fn serve(hub: Arc<Hub>, connection: Arc<Connection>, leftover: Bytes) {
    let queries = TokenBucket::full(QUERY_RATE, hub.now_ms());
    let mut session = Session {
        engine: Engine::new(),
        challenge: None,
        queries,
        unreadable: 0,
        registered: false,
        hub,
        connection,
    };
    let mut fed = session.take(&leftover).await;
    let mut reads = 0;
    while fed && !session.connection.is_closing() {
        fed = session.turn().await;
        reads += 1;
        if reads % READS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    session.end().await;
}

impl Session {
    /// One read and everything it brought. False: the end.
    async fn turn(&mut self) -> bool {
        let mut frames = Vec::new();
        let fed = poll_fn(|cx| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let now_ms = self.hub.now_ms();
                match self.connection.poll_turn(cx, &mut buffer, now_ms) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(1..)) => {
                        self.connection.heard(now_ms);
                        Poll::Ready(Some(feed(
                            &mut self.engine,
                            &self.connection,
                            buffer.filled(),
                            &mut frames,
                        )))
                    }
                    Poll::Ready(_) => Poll::Ready(None),
                }
            })
        })
        .await;
        self.handle(frames).await;
        match fed {
            Some(fed) => self.after(fed),
            None => false,
        }
    }

    /// Bytes that came together with the upgrade.
    async fn take(&mut self, bytes: &[u8]) -> bool {
        let mut frames = Vec::new();
        let fed = feed(&mut self.engine, &self.connection, bytes, &mut frames);
        self.handle(frames).await;
        self.after(fed)
    }

    fn after(&self, fed: Fed) -> bool {
        self.hub.flush(std::slice::from_ref(&self.connection));
        match fed {
            Fed::Open => true,
            Fed::Closed => false,
            Fed::Broken(code) => {
                self.hub.close(&self.connection, code);
                false
            }
        }
    }

    async fn handle(&mut self, frames: Vec<Utf8Bytes>) {
        let mut rest = frames.as_slice();
        while !rest.is_empty() && !self.connection.is_closing() {
            let (taken, registration) = self.handle_upto_registration(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if let Some((id, params)) = registration {
                self.register(id, &params).await;
            }
        }
    }

    /// Everything that needs no waiting, in one go under one lock. Returns how many frames that were.
    fn handle_upto_registration(
        &mut self,
        frames: &[Utf8Bytes],
    ) -> (usize, Option<(RequestId, Box<RegisterParams>)>) {
        let mut batch = Batch::default();
        let mut taken = 0;
        let mut registration = None;
        // Spans of sends that name a trace; few do. They end when the core has decided.
        let mut traces = Vec::new();
        for frame in frames {
            taken += 1;
            match read(frame) {
                Request::Register { id, params } => {
                    registration = Some((id, params));
                    break;
                }
                request => {
                    traces.extend(span_of(&request));
                    batch.extend(self.item(request));
                }
            }
        }
        let hub = Arc::clone(&self.hub);
        hub.run(&self.connection, batch);
        drop(traces);
        if self.unreadable > UNREADABLE_MAX {
            hub.close(&self.connection, CloseCode::Malformed);
        }
        (taken, registration)
    }

    fn item<'a>(&mut self, request: Request<'a>) -> Option<Item<'a>> {
        if let Request::Send { id, routing, envelope } = request {
            return Some(Item::Send { id, routing, envelope });
        }
        if let Request::Ack(ack) = request {
            return Some(Item::Ack(ack));
        }
        let now_ms = self.hub.now_ms();
        if self.queries.wait(QUERY_RATE, now_ms).is_some() {
            let id = match request {
                Request::Challenge { id, .. } | Request::Discover { id, .. } | Request::Lookup { id, .. } => {
                    id
                }
                Request::Refused { id: Some(id), .. } => id,
                _ => return None,
            };
            return Some(Item::Refuse { id: Some(id), reason: Reason::RateLimited });
        }
        self.queries.take();
        self.answer(request, now_ms)
    }

    fn answer<'a>(&mut self, request: Request<'a>, now_ms: u64) -> Option<Item<'a>> {
        let directory = self.hub.directory();
        let tenant = &self.connection.principal.tenant;
        match request {
            Request::Challenge { id, params } => Some(self.challenge(id, params, now_ms)),
            Request::Discover { id, .. } | Request::Lookup { id, .. } if !self.registered => {
                Some(Item::Refuse { id: Some(id), reason: Reason::NotRegistered })
            }
            Request::Discover { id, params } => {
                Some(Item::Discovered { id, result: query::discover(directory, tenant, &params) })
            }
            Request::Lookup { id, params } => Some(match query::lookup(directory, tenant, &params) {
                Some(result) => Item::LookedUp { id, did: params.did, result },
                None => Item::Refuse { id: Some(id), reason: Reason::NotFound },
            }),
            Request::Refused { id, reason } => {
                self.unreadable += u32::from(id.is_none());
                Some(Item::Refuse { id, reason })
            }
            Request::Send { .. } | Request::Ack(_) | Request::Register { .. } | Request::Ignored => None,
        }
    }

    fn challenge<'a>(&mut self, id: RequestId, params: ChallengeParams, now_ms: u64) -> Item<'a> {
        let domain = self.hub.directory().domain().clone();
        if !register::covers(&self.connection.principal, &params.did, &domain) {
            return Item::Refuse { id: Some(id), reason: Reason::Forbidden };
        }
        let nonce: [u8; 32] = rand::random();
        self.challenge = Some(Challenge::new(params.did, nonce, now_ms));
        Item::Challenged {
            id,
            result: ChallengeResult { nonce, domain, expires: CHALLENGE_LIFETIME.as_secs() },
        }
    }

    async fn register(&mut self, id: RequestId, params: &RegisterParams) {
        match self.try_register(params).await {
            Ok(()) => {
                let tenant = self.connection.principal.tenant.clone();
                let opened =
                    Opened { conn: self.connection.id, did: params.did.clone(), tenant, request: id };
                self.registered = self.hub.open_session(&self.connection, opened);
                self.engine.registered();
            }
            Err(reason) => {
                let mut batch = Batch::default();
                batch.push(Item::Refuse { id: Some(id), reason });
                self.hub.run(&self.connection, batch);
            }
        }
    }

    async fn try_register(&mut self, params: &RegisterParams) -> Result<(), Reason> {
        let now_ms = self.hub.now_ms();
        if self.queries.wait(QUERY_RATE, now_ms).is_some() {
            return Err(Reason::RateLimited);
        }
        self.queries.take();
        if self.connection.did.get().is_some_and(|did| *did != params.did) {
            return Err(Reason::Forbidden);
        }
        let directory = self.hub.directory();
        let principal = &self.connection.principal;
        let record = register::check(self.challenge.take(), params, principal, directory.domain(), now_ms)?;
        directory.publish(principal, &params.did, record).await.map_err(|error| error.reason())
    }

    async fn end(self) {
        self.hub.leave(&self.connection);
        let connection = &self.connection;
        let goodbye = async {
            let flushed = poll_fn(|cx| connection.poll_last(cx)).await;
            if flushed.is_ok() {
                let _ = poll_fn(|cx| connection.poll_shutdown(cx)).await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_GRACE, goodbye).await;
    }
}

fn feed(engine: &mut Engine, connection: &Connection, bytes: &[u8], frames: &mut Vec<Utf8Bytes>) -> Fed {
    let mut out = Vec::new();
    let fed = engine.feed(bytes, frames, &mut out);
    if !out.is_empty() {
        connection.push_frames(&out);
    }
    fed
}
