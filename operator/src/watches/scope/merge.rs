//! Merges the events of several watches of one kind into those of one watch. Pure.

use kube::Resource;
use kube::runtime::watcher::Event;

/// What the merged watch does with an event.
#[derive(Debug)]
pub(super) enum Step<K> {
    /// Passes these on, in order.
    Emit(Vec<Event<K>>),
    /// Starts all watches again.
    Restart,
}

/// The state of a merged watch.
pub(super) enum Merge<K> {
    /// The lists so far, one for each watch.
    Listing(Vec<List<K>>),
    /// All lists are complete and passed on.
    Watching,
}

/// The list of one watch.
pub(super) struct List<K> {
    objects: Vec<K>,
    is_complete: bool,
}

impl<K: Resource> Merge<K> {
    pub(super) fn new(watches: usize) -> Self {
        let empty = || List { objects: Vec::new(), is_complete: false };
        Self::Listing(std::iter::repeat_with(empty).take(watches).collect())
    }

    /// Takes an event of the watch with the number `source`.
    pub(super) fn step(&mut self, source: usize, event: Event<K>) -> Step<K> {
        let Self::Listing(lists) = self else { return pass_on(event) };
        let Some(list) = lists.get_mut(source) else { return Step::Emit(Vec::new()) };
        list.take(event);
        if !lists.iter().all(|list| list.is_complete) {
            return Step::Emit(Vec::new());
        }
        let objects = lists.iter_mut().flat_map(|list| std::mem::take(&mut list.objects));
        let listed = objects.map(Event::InitApply);
        let events = std::iter::once(Event::Init).chain(listed).chain([Event::InitDone]).collect();
        *self = Self::Watching;
        Step::Emit(events)
    }
}

fn pass_on<K>(event: Event<K>) -> Step<K> {
    match event {
        Event::Apply(_) | Event::Delete(_) => Step::Emit(vec![event]),
        Event::Init | Event::InitApply(_) | Event::InitDone => Step::Restart,
    }
}

impl<K: Resource> List<K> {
    fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => *self = Self { objects: Vec::new(), is_complete: false },
            Event::InitApply(object) => self.objects.push(object),
            Event::InitDone => self.is_complete = true,
            // Changes in a namespace that is listed already, while others are not.
            Event::Apply(object) => {
                self.remove(&object);
                self.objects.push(object);
            }
            Event::Delete(object) => self.remove(&object),
        }
    }

    fn remove(&mut self, object: &K) {
        self.objects.retain(|held| held.meta().name != object.meta().name);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::ObjectMeta;

    use super::*;

    fn object(namespace: &str, name: &str, version: &str) -> ConfigMap {
        let text = |value: &str| Some(value.to_owned());
        let metadata = ObjectMeta {
            namespace: text(namespace),
            name: text(name),
            resource_version: text(version),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    /// The events in words. `None`: all watches start again.
    fn words(step: Step<ConfigMap>) -> Option<Vec<String>> {
        let word = |event: Event<ConfigMap>| {
            let named = |verb: &str, object: ConfigMap| {
                let ObjectMeta { namespace, name, resource_version, .. } = object.metadata;
                [verb.to_owned(), namespace.unwrap(), name.unwrap(), resource_version.unwrap()].join(" ")
            };
            match event {
                Event::Init => "init".to_owned(),
                Event::InitApply(object) => named("listed", object),
                Event::InitDone => "done".to_owned(),
                Event::Apply(object) => named("applied", object),
                Event::Delete(object) => named("deleted", object),
            }
        };
        match step {
            Step::Emit(events) => Some(events.into_iter().map(word).collect()),
            Step::Restart => None,
        }
    }

    /// Takes events of one watch, none of which is passed on.
    fn hold_back(merge: &mut Merge<ConfigMap>, source: usize, events: Vec<Event<ConfigMap>>) {
        for event in events {
            assert_eq!(words(merge.step(source, event)), Some(Vec::new()));
        }
    }

    #[test]
    fn a_list_is_complete_when_every_namespace_is_listed() {
        let mut merge = Merge::new(2);
        hold_back(&mut merge, 1, vec![Event::Init]);
        let first = vec![Event::Init, Event::InitApply(object("a", "x", "1")), Event::InitDone];
        hold_back(&mut merge, 0, first);
        hold_back(&mut merge, 1, vec![Event::InitApply(object("b", "x", "1"))]);
        let all = words(merge.step(1, Event::InitDone)).unwrap();
        assert_eq!(all, ["init", "listed a x 1", "listed b x 1", "done"]);
    }

    #[test]
    fn changes_in_a_listed_namespace_are_in_the_list_of_all() {
        let mut merge = Merge::new(2);
        let changes = vec![
            Event::Init,
            Event::InitApply(object("a", "changed", "1")),
            Event::InitApply(object("a", "gone", "1")),
            Event::InitDone,
            Event::Apply(object("a", "changed", "2")),
            Event::Delete(object("a", "gone", "3")),
        ];
        hold_back(&mut merge, 0, changes);
        hold_back(&mut merge, 1, vec![Event::Init]);
        let all = words(merge.step(1, Event::InitDone)).unwrap();
        assert_eq!(all, ["init", "listed a changed 2", "done"]);
    }

    #[test]
    fn a_list_that_begins_again_forgets_what_it_had() {
        let mut merge = Merge::new(1);
        let twice = vec![Event::Init, Event::InitApply(object("a", "gone", "1")), Event::Init];
        hold_back(&mut merge, 0, twice);
        assert_eq!(words(merge.step(0, Event::InitDone)).unwrap(), ["init", "done"]);
    }

    #[test]
    fn later_changes_are_passed_on_and_a_new_list_starts_everything_again() {
        let mut merge = Merge::new(1);
        hold_back(&mut merge, 0, vec![Event::Init]);
        merge.step(0, Event::InitDone);
        let changed = words(merge.step(0, Event::Apply(object("a", "x", "2")))).unwrap();
        assert_eq!(changed, ["applied a x 2"]);
        assert_eq!(words(merge.step(0, Event::Init)), None);
    }
}
