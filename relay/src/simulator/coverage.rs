//! Counts how often each kind of event happened in the runs.

macro_rules! coverage {
    ($($name:ident,)+) => {
        /// How often each kind of event happened.
        #[derive(Debug, Default, Clone)]
        pub(super) struct Coverage {
            $(pub(super) $name: u64,)+
        }

        impl Coverage {
            /// The kinds of event that never happened.
            pub(super) fn missing(&self) -> Vec<&'static str> {
                let all = [$((stringify!($name), self.$name)),+];
                all.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
            }

            pub(super) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

coverage! {
    crashes,
    cuts,
    replaced,
    stored,
    delivered,
    forwarded,
    refused,
    storage_refusals,
    storage_full,
    mailbox_full,
    overloaded,
    rate_limited,
    duplicate_ids,
    ended,
    refused_by_recipient,
    late_refused,
    repeated,
    redelivered,
    expired,
    dropped,
    missed,
    late_delivered,
    backlogs,
    drains,
    removals,
    tenant_removals,
    retained_mailboxes,
    unreadable,
    failed_loads,
    clock_steps,
    stalls,
    full_disks,
    durable_failures,
    second_registrations,
    stale_acks,
    acks_too_high,
}
