//! Fuzzes frames and the parameters of every method. Where the scanner of sends recognizes a frame,
//! the general parsers read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::envelope::Routing;
use msg2agent_protocol::frame::{
    AckParams, ChallengeParams, ChallengeResult, DeliverParams, DiscoverParams, DiscoverResult, GoodbyeParams, Incoming,
    LookupParams, LookupResult, NoticeParams, RefuseParams, RegisterParams, RegisterResult, SendFrame, SendResult, method,
};
use msg2agent_protocol::strict_json::from_str;

fn scanned_alike(text: &str) {
    let Some(scanned) = SendFrame::scan(text) else { return };
    let Ok(Incoming::Request { id, method, params }) = Incoming::parse(text) else {
        panic!("the general parser does not read a request");
    };
    assert_eq!((id.as_json(), &*method), (scanned.id.as_json(), method::SEND));
    assert_eq!((params.as_ptr(), params.len()), (scanned.envelope.as_ptr(), scanned.envelope.len()));
    assert_eq!(Routing::parse(params).ok(), Some(scanned.routing));
}

fuzz_target!(|text: &str| {
    scanned_alike(text);
    let inner = match Incoming::parse(text) {
        Ok(Incoming::Request { params, .. } | Incoming::Notification { params, .. }) => params,
        Ok(Incoming::Result { result, .. }) => result,
        Ok(Incoming::Error { .. }) | Err(_) => return,
    };
    drop(from_str::<ChallengeParams>(inner));
    drop(from_str::<ChallengeResult>(inner));
    drop(from_str::<RegisterParams>(inner));
    drop(from_str::<RegisterResult>(inner));
    drop(from_str::<DiscoverParams>(inner));
    drop(from_str::<DiscoverResult>(inner));
    drop(from_str::<LookupParams>(inner));
    drop(from_str::<LookupResult>(inner));
    drop(from_str::<SendResult>(inner));
    drop(from_str::<AckParams>(inner));
    drop(from_str::<RefuseParams>(inner));
    drop(from_str::<DeliverParams>(inner));
    drop(from_str::<NoticeParams>(inner));
    drop(from_str::<GoodbyeParams>(inner));
});
