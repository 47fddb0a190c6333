//! Fuzzes frames and the parameters of every method.
#![no_main]

use libfuzzer_sys::fuzz_target;
use msg2agent_protocol::frame::{
    AckParams, ChallengeParams, ChallengeResult, DeliverParams, DiscoverParams, DiscoverResult, GoodbyeParams, Incoming,
    LookupParams, LookupResult, NoticeParams, RefuseParams, RegisterParams, RegisterResult, SendResult,
};
use msg2agent_protocol::strict_json::from_str;

fuzz_target!(|text: &str| {
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
