//! Tests of [`may_send`]: every combination of broken rules, and every limit at random numbers.

use proptest::prelude::*;
use protocol::Reason;

use super::*;

const ALICE: &str = "did:wba:example.com:agent:a:alice";
const ENVELOPE_BYTES: usize = 100;
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The rules that a send of each class can break.
const OF_ALL: [SendRule; 10] = [
    SendRule::Registered,
    SendRule::OwnName,
    SendRule::TtlInRange,
    SendRule::EnvelopeSize,
    SendRule::NotDraining,
    SendRule::SenderRate,
    SendRule::TenantRate,
    SendRule::RecipientKnown,
    SendRule::TenantWall,
    SendRule::RecipientReads,
];
const OF_EPHEMERAL: [SendRule; 2] = [SendRule::RecipientOnline, SendRule::WindowRoom];
const OF_RELIABLE: [SendRule; 9] = [
    SendRule::IdCertain,
    SendRule::IdUnused,
    SendRule::UnansweredSends,
    SendRule::MemoryRoom,
    SendRule::WriteQueueRoom,
    SendRule::MailboxRoom,
    SendRule::StorageRoom,
    SendRule::StoreWorks,
    SendRule::StoreAnswers,
];

fn limits() -> CoreLimits {
    CoreLimits {
        mailbox_messages: 10,
        mailbox_bytes: 1_000,
        mailbox_notices: 10,
        tenant_messages: 100,
        tenant_bytes: 10_000,
        relay_messages: 1_000,
        relay_bytes: 100_000,
        sender_rate: Rate { per_second: 1.0, burst: 1.0 },
        tenant_rate: Rate { per_second: 1.0, burst: 1.0 },
        held_bytes_max: 1_000,
        dedup_entries_max: 10,
        window_messages: 10,
        window_bytes: 1_000,
        page_rows: 10,
        unanswered_sends: 5,
        writes_pending: 5,
    }
}

const RATE: Rate = Rate { per_second: 1.0, burst: 9.0 };

fn tokens(wait: Option<Duration>) -> Tokens {
    Tokens { wait, bucket: TokenBucket::full(RATE, 0), rate: RATE }
}

const fn usage(messages: u64, bytes: u64) -> MailboxUsage {
    MailboxUsage { messages, bytes }
}

/// Decides about a send that breaks these rules and no other. The recipient's connection is live
/// if `direct`, and in backlog if not.
fn decide_broken(class: Class, broken: &[SendRule], repeated: bool, direct: bool) -> SendDecision {
    let is = |rule| broken.contains(&rule);
    let tenant = |name: &str| name.parse::<TenantId>().unwrap();
    let (own, other) = (tenant("a"), tenant("b"));
    let tokens = |empty: bool, wait| tokens(empty.then_some(wait));
    let sender = Sender {
        did: ALICE,
        tenant: &own,
        tokens: tokens(is(SendRule::SenderRate), RETRY_INTERVAL),
        tenant_tokens: tokens(is(SendRule::TenantRate), RETRY_INTERVAL / 2),
        unanswered: if is(SendRule::UnansweredSends) { 5 } else { 4 },
        tenant_usage: usage(if is(SendRule::StorageRoom) { 100 } else { 99 }, 0),
        tenant_writing: 1,
    };
    let recipient = Recipient {
        tenant: if is(SendRule::TenantWall) { &other } else { &own },
        reads: !is(SendRule::RecipientReads),
        session: (!is(SendRule::RecipientOnline))
            .then_some(RecipientSession { live: direct, has_capacity: !is(SendRule::WindowRoom) }),
        mailbox: usage(if is(SendRule::MailboxRoom) { 10 } else { 9 }, 0),
    };
    let good_ttl = (class == Class::Reliable).then_some(1);
    let bad_ttl = (class == Class::Reliable).then_some(0).or(Some(1));
    let header = Header {
        from: if is(SendRule::OwnName) { "did:wba:example.com:agent:a:bob" } else { ALICE },
        class,
        ttl: if is(SendRule::TtlInRange) { bad_ttl } else { good_ttl },
        size: if is(SendRule::EnvelopeSize) { ENVELOPE_BYTES_MAX + 1 } else { ENVELOPE_BYTES },
        id: match () {
            () if is(SendRule::IdCertain) => IdUse::Uncertain,
            () if is(SendRule::IdUnused) => IdUse::Other,
            () if repeated => IdUse::Repeated,
            () => IdUse::New,
        },
    };
    let limits =
        CoreLimits { mailbox_bytes: 1 << 40, tenant_bytes: 1 << 40, relay_bytes: 1 << 40, ..limits() };
    let relay = RelayLoad {
        limits: &limits,
        draining: is(SendRule::NotDraining),
        held_bytes: if is(SendRule::MemoryRoom) { 901 } else { 900 },
        writing: if is(SendRule::WriteQueueRoom) { 4 } else { 3 },
        store: if is(SendRule::StoreWorks) { StoreState::Failed } else { StoreState::Working },
        stalled: is(SendRule::StoreAnswers),
        usage: usage(100, 0),
        tenants: 2,
    };
    let sender = (!is(SendRule::Registered)).then_some(&sender);
    let recipient = (!is(SendRule::RecipientKnown)).then_some(&recipient);
    may_send(sender, recipient, &header, &relay)
}

fn rule_of(decision: SendDecision) -> Option<SendRule> {
    match decision {
        SendDecision::Allow => None,
        SendDecision::Refuse(error) => Some(error.rule),
    }
}

fn every_subset(rules: &[SendRule], mut check: impl FnMut(&[SendRule])) {
    for mask in 0..1u32 << rules.len() {
        let chosen = rules.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
        check(&chosen.map(|(_, rule)| *rule).collect::<Vec<_>>());
    }
}

#[test]
fn an_ephemeral_send_is_refused_by_the_first_rule_that_it_breaks() {
    every_subset(&[&OF_ALL[..], &OF_EPHEMERAL].concat(), |broken| {
        let decision = decide_broken(Class::Ephemeral, broken, false, true);
        assert_eq!(rule_of(decision), broken.iter().min().copied(), "{broken:?}");
    });
}

#[test]
fn a_reliable_send_is_refused_by_the_first_rule_that_it_breaks() {
    every_subset(&[&OF_ALL[..], &OF_RELIABLE].concat(), |broken| {
        let decision = decide_broken(Class::Reliable, broken, false, false);
        assert_eq!(rule_of(decision), broken.iter().min().copied(), "{broken:?}");
    });
}

#[test]
fn no_limit_refuses_a_repetition() {
    every_subset(&OF_RELIABLE, |broken| {
        let about_id = broken.iter().min().copied().filter(|rule| *rule <= SendRule::IdUnused);
        assert_eq!(rule_of(decide_broken(Class::Reliable, broken, true, false)), about_id, "{broken:?}");
    });
}

#[test]
fn a_live_connection_needs_no_store() {
    let broken = [SendRule::StoreWorks, SendRule::StoreAnswers];
    assert_eq!(decide_broken(Class::Reliable, &broken, false, true), SendDecision::Allow);
    let full = [SendRule::WindowRoom, SendRule::StoreWorks, SendRule::StoreAnswers];
    assert_eq!(rule_of(decide_broken(Class::Reliable, &full, false, true)), Some(SendRule::StoreWorks));
}

#[test]
fn a_sender_cannot_tell_another_tenant_from_nobody() {
    let hidden = [SendRule::RecipientKnown, SendRule::TenantWall, SendRule::RecipientReads];
    for rule in hidden {
        let SendDecision::Refuse(error) = decide_broken(Class::Reliable, &[rule], false, true) else {
            panic!()
        };
        assert_eq!(SendError { rule: hidden[0], ..error }, SendError::new(hidden[0]));
        assert_eq!(error.reason, Reason::NotFound);
    }
}

#[test]
fn a_send_takes_tokens_unless_it_is_refused_before_its_rate_is_asked() {
    let takes = |rule: SendRule| decide_broken(Class::Reliable, &[rule], false, false).takes_tokens();
    let taken: Vec<_> = OF_ALL.into_iter().filter(|rule| takes(*rule)).collect();
    assert_eq!(taken, [SendRule::RecipientKnown, SendRule::TenantWall, SendRule::RecipientReads]);
    assert!(OF_RELIABLE.into_iter().all(takes));
    assert!(decide_broken(Class::Reliable, &[], false, false).takes_tokens());
}

/// Whether each rule of a new reliable message holds, in words of its own.
fn broken_limit(
    size: u64,
    sender: &Sender<'_>,
    mailbox: MailboxUsage,
    relay: &RelayLoad<'_>,
) -> Option<SendRule> {
    let (limits, tenant, all) = (relay.limits, sender.tenant_usage, relay.usage);
    let part = |max: u64| max / 8;
    let fits = |more, tenant, all, max: u64| {
        all + more <= max - part(max)
            || (all + more <= max && (tenant + more) <= part(max) / relay.tenants as u64)
    };
    let storage = tenant.messages < limits.tenant_messages
        && tenant.bytes + size <= limits.tenant_bytes
        && fits(1, tenant.messages, all.messages, limits.relay_messages)
        && fits(size, tenant.bytes, all.bytes, limits.relay_bytes);
    let messages = u64::from(limits.mailbox_messages);
    let rules = [
        (SendRule::UnansweredSends, sender.unanswered < limits.unanswered_sends),
        (SendRule::MemoryRoom, relay.held_bytes as u64 + size <= limits.held_bytes_max as u64),
        (SendRule::WriteQueueRoom, relay.writing + sender.tenant_writing < limits.writes_pending),
        (SendRule::MailboxRoom, mailbox.messages < messages && mailbox.bytes + size <= limits.mailbox_bytes),
        (SendRule::StorageRoom, storage),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule)
}

proptest! {
    #[test]
    fn each_limit_counts_the_message_itself(
        size in 1..400u64,
        unanswered in 3..7u32,
        held_bytes in 0..1_100usize,
        writing in 1..7usize,
        tenant_writing in 0..4usize,
        mailbox in (7..12u64, 500..1_000u64),
        tenant in (90..102u64, 9_000..10_100u64),
        others in (760..920u64, 70_000..95_000u64),
        tenants in 1..4usize,
    ) {
        let own: TenantId = "a".parse().unwrap();
        let tenant_usage = usage(tenant.0, tenant.1);
        let sender = Sender { did: ALICE, tenant: &own, tokens: tokens(None), tenant_tokens: tokens(None), unanswered, tenant_usage, tenant_writing };
        let mailbox = usage(mailbox.0, mailbox.1);
        let recipient = Recipient { tenant: &own, reads: true, session: None, mailbox };
        let header = Header {
            from: ALICE, class: Class::Reliable, ttl: Some(60), size: usize::try_from(size).unwrap(), id: IdUse::New,
        };
        let limits = limits();
        let relay = RelayLoad {
            limits: &limits, draining: false, held_bytes, writing, store: StoreState::Working, stalled: false,
            usage: usage(tenant.0 + others.0, tenant.1 + others.1), tenants,
        };
        let decision = may_send(Some(&sender), Some(&recipient), &header, &relay);
        prop_assert_eq!(rule_of(decision), broken_limit(size, &sender, mailbox, &relay));
    }

    #[test]
    fn the_longer_wait_of_sender_and_tenant_is_told(own in 0..50u64, shared in 0..50u64) {
        let wait = |ms| (ms > 0).then(|| Duration::from_millis(ms));
        let tenant: TenantId = "a".parse().unwrap();
        let sender = Sender {
            did: ALICE, tenant: &tenant, tokens: tokens(wait(own)), tenant_tokens: tokens(wait(shared)), unanswered: 0,
            tenant_usage: usage(0, 0),
            tenant_writing: 0,
        };
        let told = check_rates(&sender).err();
        prop_assert_eq!(told.and_then(|error| error.retry_after), wait(own.max(shared)));
        let rule = if own >= shared { SendRule::SenderRate } else { SendRule::TenantRate };
        prop_assert_eq!(told.map(|error| error.rule), wait(own.max(shared)).map(|_| rule));
    }
}
