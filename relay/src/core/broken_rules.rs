//! Counts what the rules of the core exclude and what happened all the same. Each is a bug.

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BrokenRules {
    count: u64,
    last: Option<&'static str>,
}

impl BrokenRules {
    pub(super) const fn note(&mut self, what: &'static str) {
        self.count += 1;
        self.last = Some(what);
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn last(&self) -> Option<&'static str> {
        self.last
    }
}
