//! Tests of the path switch, with a recipient behind two ways that break and are slow.

use std::collections::{HashSet, VecDeque};

use proptest::prelude::*;

use super::*;

const WINDOW: usize = 4;
const BYTES: usize = 1000;

fn id(n: u64) -> MessageId {
    MessageId::new(n, [0; 10])
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn all_actions(switch: &mut PathSwitch, now: Duration) -> Vec<PathAction> {
    std::iter::from_fn(|| switch.next_action(now)).collect()
}

#[test]
fn a_message_goes_directly_when_there_is_a_link_and_to_the_relay_when_there_is_none() {
    let mut switch = PathSwitch::new();
    switch.push(id(1), BYTES, true, ms(0));
    assert_eq!(all_actions(&mut switch, ms(0)), [PathAction::AskRelay { id: id(1) }]);
    switch.on_relay_settled(&id(1));
    switch.on_link(7, WINDOW, usize::MAX, ms(0));
    switch.push(id(2), BYTES, true, ms(0));
    assert_eq!(all_actions(&mut switch, ms(0)), [PathAction::Write { link: 7, id: id(2) }]);
    switch.on_answered(7, &id(2));
    assert_eq!(all_actions(&mut switch, ms(5000)), []);
}

#[test]
fn a_message_waits_less_than_a_second_for_a_dial_and_for_an_answer() {
    assert!(FALLBACK_TIMEOUT < Duration::from_secs(1));
    let mut switch = PathSwitch::new();
    switch.on_dialing();
    switch.push(id(1), BYTES, true, ms(0));
    assert_eq!(all_actions(&mut switch, ms(699)), []);
    assert_eq!(switch.deadline(), Some(FALLBACK_TIMEOUT));
    assert_eq!(all_actions(&mut switch, ms(700)), [PathAction::AskRelay { id: id(1) }]);
}

#[test]
fn what_the_recipient_keeps_unanswered_goes_to_the_relay_under_the_same_id_and_the_link_stays() {
    let mut switch = PathSwitch::new();
    switch.on_link(7, WINDOW, usize::MAX, ms(0));
    switch.push(id(1), BYTES, true, ms(0));
    assert_eq!(all_actions(&mut switch, ms(0)), [PathAction::Write { link: 7, id: id(1) }]);
    assert_eq!(all_actions(&mut switch, ms(350)), [PathAction::Ping { link: 7 }]);
    switch.on_heard(7, ms(351));
    assert_eq!(all_actions(&mut switch, ms(700)), [PathAction::AskRelay { id: id(1) }]);
    assert_eq!(switch.link(), Some(7));
}

#[test]
fn a_link_that_is_silent_is_closed_within_a_second() {
    let mut switch = PathSwitch::new();
    switch.on_link(7, WINDOW, usize::MAX, ms(0));
    switch.push(id(1), BYTES, true, ms(100));
    all_actions(&mut switch, ms(100));
    assert_eq!(all_actions(&mut switch, ms(450)), [PathAction::Ping { link: 7 }]);
    switch.on_heard(7, ms(0));
    assert_eq!(all_actions(&mut switch, ms(460)), [], "one ping is enough, and nothing came since");
    let actions = all_actions(&mut switch, ms(800));
    assert_eq!(actions, [PathAction::Close { link: 7 }, PathAction::AskRelay { id: id(1) }]);
}

#[test]
fn after_a_link_broke_its_messages_go_first() {
    let mut switch = PathSwitch::new();
    switch.on_link(7, WINDOW, usize::MAX, ms(0));
    (1..=3).for_each(|n| switch.push(id(n), BYTES, true, ms(0)));
    all_actions(&mut switch, ms(0));
    switch.on_answered(7, &id(2));
    switch.on_link_ended(7);
    switch.push(id(4), BYTES, true, ms(10));
    let expected = [1, 3, 4].map(|n| PathAction::AskRelay { id: id(n) });
    assert_eq!(all_actions(&mut switch, ms(10)), expected);
}

#[test]
fn a_new_link_asks_what_has_arrived_and_sends_nothing_twice_that_did() {
    let mut switch = PathSwitch::new();
    (1..=3).for_each(|n| switch.push(id(n), BYTES, true, ms(0)));
    all_actions(&mut switch, ms(0));
    switch.on_relay_stored(&id(1));
    switch.on_link(8, WINDOW, usize::MAX, ms(1));
    switch.push(id(4), BYTES, true, ms(1));
    let ids = vec![id(1), id(2), id(3)];
    assert_eq!(all_actions(&mut switch, ms(1)), [PathAction::AskSeen { link: 8, ids }]);
    switch.on_seen(8, &[id(2)], &[id(1)], ms(2));
    assert_eq!(switch.take_forgotten(), [id(2), id(1)]);
    let expected = [3, 4].map(|n| PathAction::Write { link: 8, id: id(n) });
    assert_eq!(all_actions(&mut switch, ms(2)), expected);
}

#[test]
fn a_link_waits_for_the_last_message_that_only_the_relay_has() {
    let mut switch = PathSwitch::new();
    let count = u64::try_from(STORED_KEPT_MAX).unwrap() + 1;
    (1..=count).for_each(|n| switch.push(id(n), 1, true, ms(0)));
    all_actions(&mut switch, ms(0));
    (1..=count).for_each(|n| switch.on_relay_stored(&id(n)));
    assert_eq!(switch.take_forgotten(), [id(1)]);
    switch.on_link(8, WINDOW, usize::MAX, ms(1));
    let Some(PathAction::AskSeen { ids, .. }) = switch.next_action(ms(1)) else { panic!("no query") };
    assert_eq!((ids.len(), ids[0]), (STORED_KEPT_MAX + 1, id(1)));
    switch.on_seen(8, &[], &[], ms(2));
    assert_eq!(all_actions(&mut switch, ms(3)), [], "the first one has not arrived");
    assert_eq!(switch.deadline(), Some(ms(2) + SEEN_QUERY_INTERVAL));
    let again = ms(2) + SEEN_QUERY_INTERVAL;
    assert!(matches!(switch.next_action(again), Some(PathAction::AskSeen { .. })));
    switch.on_seen(8, &[id(1)], &[], again);
    assert_eq!(switch.next_action(again), Some(PathAction::Write { link: 8, id: id(2) }));
}

#[test]
fn the_window_of_the_link_is_kept() {
    let mut switch = PathSwitch::new();
    switch.on_link(7, 2, 1500, ms(0));
    (1..=3).for_each(|n| switch.push(id(n), 1000, true, ms(0)));
    assert_eq!(all_actions(&mut switch, ms(0)), [PathAction::Write { link: 7, id: id(1) }]);
    switch.on_answered(7, &id(1));
    assert_eq!(all_actions(&mut switch, ms(0)), [PathAction::Write { link: 7, id: id(2) }]);
}

#[test]
fn a_refusal_of_the_relay_is_no_failure_while_the_recipient_has_the_message() {
    let mut switch = PathSwitch::new();
    switch.on_link(7, WINDOW, usize::MAX, ms(0));
    (1..=2).for_each(|n| switch.push(id(n), BYTES, true, ms(0)));
    all_actions(&mut switch, ms(0));
    switch.on_heard(7, ms(600));
    assert_eq!(switch.next_action(ms(700)), Some(PathAction::AskRelay { id: id(1) }));
    assert!(switch.on_relay_failed(&id(1)));
    assert_eq!(all_actions(&mut switch, ms(701)), [], "the second must not overtake it");
    assert_eq!(switch.on_link_ended(7), [id(1)]);
    assert_eq!(all_actions(&mut switch, ms(702)), [PathAction::AskRelay { id: id(2) }]);
    assert!(!switch.on_relay_failed(&id(2)));
}

/// A recipient with a link and a relay in front of it. Both keep their order, and both may be slow.
#[derive(Default)]
struct World {
    link: Option<LinkId>,
    links: u64,
    to_recipient: VecDeque<PathAction>,
    to_sender: VecDeque<Answer>,
    relay: VecDeque<MessageId>,
    relay_answers: VecDeque<MessageId>,
    shown: Vec<MessageId>,
    processed: HashSet<MessageId>,
    now: Duration,
}

enum Answer {
    Taken(MessageId),
    Seen { processed: Vec<MessageId>, held: Vec<MessageId> },
}

impl World {
    fn show(&mut self, id: MessageId) {
        if !self.shown.contains(&id) {
            self.shown.push(id);
        }
    }

    fn act(&mut self, switch: &mut PathSwitch) {
        while let Some(action) = switch.next_action(self.now) {
            match action {
                PathAction::AskRelay { id } => {
                    self.relay.push_back(id);
                    self.relay_answers.push_back(id);
                }
                PathAction::Close { .. } => self.cut(switch),
                PathAction::Write { .. } | PathAction::AskSeen { .. } => self.to_recipient.push_back(action),
                PathAction::Ping { .. } => {}
            }
        }
    }

    fn cut(&mut self, switch: &mut PathSwitch) {
        if let Some(link) = self.link.take() {
            self.to_recipient.clear();
            self.to_sender.clear();
            assert!(switch.on_link_ended(link).is_empty());
        }
    }

    fn step(&mut self, switch: &mut PathSwitch, step: &Step, pushed: &mut u64) {
        match step {
            Step::Push => {
                *pushed += 1;
                switch.push(id(*pushed), BYTES, true, self.now);
            }
            Step::LinkUp => {
                self.cut(switch);
                self.links += 1;
                self.link = Some(self.links);
                switch.on_link(self.links, WINDOW, usize::MAX, self.now);
            }
            Step::Cut => self.cut(switch),
            Step::LinkDelivers => match self.to_recipient.pop_front() {
                Some(PathAction::Write { id, .. }) => {
                    self.show(id);
                    self.processed.insert(id);
                    self.to_sender.push_back(Answer::Taken(id));
                }
                Some(PathAction::AskSeen { ids, .. }) => {
                    let known = |id: &&MessageId| self.processed.contains(id);
                    let processed: Vec<_> = ids.iter().filter(known).copied().collect();
                    let held = ids.iter().filter(|id| self.shown.contains(id) && !known(id)).copied();
                    self.to_sender.push_back(Answer::Seen { held: held.collect(), processed });
                }
                _ => {}
            },
            Step::LinkAnswers => {
                let (link, answer) = (self.link.unwrap_or_default(), self.to_sender.pop_front());
                switch.on_heard(link, self.now);
                match answer {
                    Some(Answer::Taken(id)) => switch.on_answered(link, &id),
                    Some(Answer::Seen { processed, held }) => {
                        switch.on_seen(link, &processed, &held, self.now);
                    }
                    None => {}
                }
            }
            Step::RelayStores => {
                if let Some(id) = self.relay_answers.pop_front() {
                    switch.on_relay_stored(&id);
                }
            }
            Step::RelayDelivers => {
                if let Some(id) = self.relay.pop_front() {
                    self.show(id);
                }
            }
            Step::Wait => self.now += Duration::from_millis(400),
        }
        self.act(switch);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push,
    LinkUp,
    Cut,
    LinkDelivers,
    LinkAnswers,
    RelayStores,
    RelayDelivers,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        1 => Just(Step::LinkUp),
        1 => Just(Step::Cut),
        4 => Just(Step::LinkDelivers),
        4 => Just(Step::LinkAnswers),
        2 => Just(Step::RelayStores),
        2 => Just(Step::RelayDelivers),
        2 => Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever comes first: every message is shown, once, in the order in which it was sent.
    #[test]
    fn every_message_is_shown_once_and_in_order(steps in proptest::collection::vec(step(), 1..150)) {
        let (mut switch, mut world, mut pushed) = (PathSwitch::new(), World::default(), 0);
        for step in &steps {
            world.step(&mut switch, step, &mut pushed);
            let expected: Vec<_> = (1..=u64::try_from(world.shown.len()).unwrap()).map(id).collect();
            prop_assert_eq!(&world.shown, &expected);
        }
        for _ in 0..3 * pushed + 10 {
            for step in [Step::Wait, Step::LinkDelivers, Step::LinkAnswers, Step::RelayStores, Step::RelayDelivers] {
                world.step(&mut switch, &step, &mut pushed);
            }
        }
        let all: Vec<_> = (1..=pushed).map(id).collect();
        prop_assert_eq!(&world.shown, &all);
        prop_assert!(switch.sends.values().all(|send| send.relay == RelayStep::Stored));
    }
}
