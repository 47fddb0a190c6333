//! The limits that an operator can set. Values that the protocol fixes are in `protocol::limits`.
//!
//! Each limit is written once, in the table below, and the macro makes of it: the flag, the
//! environment variable, the member of the file's table `[limits]`, the default, and the check of
//! the smallest value and, where there is one, of the largest.

use clap::Args;
use daemon::https::ListenerLimits;
use daemon::https::limits::ADDRESS_SHARE_PERCENT;
use protocol::limits::{FRAME_BYTES_MAX, NOTICES_MAX, UNANSWERED_SENDS_MAX, WINDOW_BYTES, WINDOW_MESSAGES};
use serde::{Deserialize, Serialize};

use crate::core::limits::{DEDUP_ENTRIES_MAX, PAGE_ROWS, WRITES_PENDING_MAX};
use crate::core::{CoreLimits, Rate};
use crate::hub::ConnectionLimits;

macro_rules! limits {
    ($($name:ident: $type:ty {
        flag: $flag:literal,
        env: $env:literal,
        unit: $unit:literal,
        default: $default:literal,
        min: $min:literal,
        $(max: $max:literal,)?
        help: $help:literal,
    })+) => {
        /// The limits that one layer of settings sets.
        #[derive(Debug, Clone, Default, Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct LimitsLayer {
            $(
                #[arg(
                    long = $flag,
                    env = $env,
                    value_name = $unit,
                    help = concat!($help, " [default: ", $default, "]")
                )]
                pub $name: Option<$type>,
            )+
        }

        /// The limits in effect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct Limits {
            $(
                #[doc = concat!($help, ".")]
                pub $name: $type,
            )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl LimitsLayer {
            /// These limits where they are set, those of `below` elsewhere.
            pub(super) fn over(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)+ }
            }

            pub(super) fn or_default(self) -> Limits {
                Limits { $($name: self.$name.unwrap_or($default),)+ }
            }
        }

        impl Limits {
            /// The name of the first limit that is below its minimum or above its maximum, and the
            /// rule it breaks.
            pub(super) fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
                $(
                    let name = concat!("limits.", stringify!($name));
                    if self.$name < $min {
                        return Some((name, concat!("must be at least ", $min)));
                    }
                    $(if self.$name > $max {
                        return Some((name, concat!("must be at most ", $max)));
                    })?
                )+
                None
            }
        }
    };
}

limits! {
    // An idle connection needs 3 KiB without TLS: 30 MiB in all.
    connections: usize {
        flag: "limit-connections",
        env: "MSG2AGENT_RELAY_LIMIT_CONNECTIONS",
        unit: "COUNT",
        default: 10_000,
        min: 1,
        help: "Open connections to the public listener; further ones get HTTP 503",
    }
    address_share_percent: u8 {
        flag: "limit-address-share-percent",
        env: "MSG2AGENT_RELAY_LIMIT_ADDRESS_SHARE_PERCENT",
        unit: "PERCENT",
        default: 75,
        min: 1,
        max: 100,
        help: "Share of the connections that one client address (IPv6: one /64 network) may hold; 100 if one proxy carries all clients",
    }
    tenant_share_percent: u8 {
        flag: "limit-tenant-share-percent",
        env: "MSG2AGENT_RELAY_LIMIT_TENANT_SHARE_PERCENT",
        unit: "PERCENT",
        default: 75,
        min: 1,
        max: 100,
        help: "Share of the connections that the agents of one tenant may hold together; 100 if the relay has one tenant",
    }
    tenants: usize {
        flag: "limit-tenants",
        env: "MSG2AGENT_RELAY_LIMIT_TENANTS",
        unit: "COUNT",
        default: 1_000,
        min: 1,
        help: "Tenants of this relay",
    }
    // A record has about 3 KiB and stays in memory: 60 MiB in all.
    agents: usize {
        flag: "limit-agents",
        env: "MSG2AGENT_RELAY_LIMIT_AGENTS",
        unit: "COUNT",
        default: 20_000,
        min: 1,
        help: "Agents of this relay, over all tenants",
    }
    mailbox_messages: u32 {
        flag: "limit-mailbox-messages",
        env: "MSG2AGENT_RELAY_LIMIT_MAILBOX_MESSAGES",
        unit: "COUNT",
        default: 10_000,
        min: 1,
        help: "Messages in the mailbox of one agent",
    }
    mailbox_bytes: u64 {
        flag: "limit-mailbox-bytes",
        env: "MSG2AGENT_RELAY_LIMIT_MAILBOX_BYTES",
        unit: "BYTES",
        default: 67_108_864,
        min: 1,
        help: "Bytes in the mailbox of one agent",
    }
    tenant_mailbox_messages: u64 {
        flag: "limit-tenant-mailbox-messages",
        env: "MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_MESSAGES",
        unit: "COUNT",
        default: 500_000,
        min: 1,
        help: "Messages and notices in all mailboxes of a tenant",
    }
    tenant_mailbox_bytes: u64 {
        flag: "limit-tenant-mailbox-bytes",
        env: "MSG2AGENT_RELAY_LIMIT_TENANT_MAILBOX_BYTES",
        unit: "BYTES",
        default: 4_294_967_296,
        min: 1,
        help: "Bytes in all mailboxes of a tenant; less on a small volume, where it keeps its proportion to the relay's",
    }
    // Each one needs a few hundred bytes of memory, also while its body is on disk.
    relay_mailbox_messages: u64 {
        flag: "limit-relay-mailbox-messages",
        env: "MSG2AGENT_RELAY_LIMIT_RELAY_MAILBOX_MESSAGES",
        unit: "COUNT",
        default: 1_000_000,
        min: 1,
        help: "Messages and notices in all mailboxes; an eighth is kept for tenants that hold little",
    }
    relay_mailbox_bytes: u64 {
        flag: "limit-relay-mailbox-bytes",
        env: "MSG2AGENT_RELAY_LIMIT_RELAY_MAILBOX_BYTES",
        unit: "BYTES",
        default: 8_589_934_592,
        min: 1,
        help: "Bytes in all mailboxes, but never more than about half of the volume; an eighth is kept for tenants that hold little",
    }
    memory_bytes: usize {
        flag: "limit-memory-bytes",
        env: "MSG2AGENT_RELAY_LIMIT_MEMORY_BYTES",
        unit: "BYTES",
        default: 268_435_456,
        min: 16_777_216,
        help: "Bytes of undelivered messages in memory, for all agents together; above it senders have to retry. As many bytes may wait for slow sockets; above it the connections with the most of them end",
    }
    sends_per_second: u32 {
        flag: "limit-sends-per-second",
        env: "MSG2AGENT_RELAY_LIMIT_SENDS_PER_SECOND",
        unit: "COUNT",
        default: 1_000,
        min: 1,
        help: "Messages that an agent may send per second, on average",
    }
    sends_burst: u32 {
        flag: "limit-sends-burst",
        env: "MSG2AGENT_RELAY_LIMIT_SENDS_BURST",
        unit: "COUNT",
        default: 2_000,
        min: 1,
        help: "Messages that an agent may send in one burst, above the average",
    }
    tenant_sends_per_second: u32 {
        flag: "limit-tenant-sends-per-second",
        env: "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_PER_SECOND",
        unit: "COUNT",
        default: 10_000,
        min: 1,
        help: "Messages that all agents of a tenant together may send per second, on average",
    }
    tenant_sends_burst: u32 {
        flag: "limit-tenant-sends-burst",
        env: "MSG2AGENT_RELAY_LIMIT_TENANT_SENDS_BURST",
        unit: "COUNT",
        default: 20_000,
        min: 1,
        help: "Messages that all agents of a tenant together may send in one burst, above the average",
    }
}

const _: () = assert!(ADDRESS_SHARE_PERCENT == 75);

// With less than 16 of the largest frames in memory, a few senders would block all others.
const _: () = assert!(16 * FRAME_BYTES_MAX == 16_777_216);

impl Limits {
    /// The limits of the public listener.
    #[must_use]
    pub const fn listener(&self) -> ListenerLimits {
        ListenerLimits::new(self.connections).with_address_share(self.address_share_percent)
    }

    /// The shares of the connections by key, agent and tenant.
    #[must_use]
    pub const fn connection_shares(&self) -> ConnectionLimits {
        ConnectionLimits { connections: self.connections, tenant_share_percent: self.tenant_share_percent }
    }

    /// The limits of the message core.
    #[must_use]
    pub fn core(&self) -> CoreLimits {
        CoreLimits {
            mailbox_messages: self.mailbox_messages,
            mailbox_bytes: self.mailbox_bytes,
            mailbox_notices: NOTICES_MAX as usize,
            tenant_messages: self.tenant_mailbox_messages,
            tenant_bytes: self.tenant_mailbox_bytes,
            relay_messages: self.relay_mailbox_messages,
            relay_bytes: self.relay_mailbox_bytes,
            sender_rate: rate(self.sends_per_second, self.sends_burst),
            tenant_rate: rate(self.tenant_sends_per_second, self.tenant_sends_burst),
            held_bytes_max: self.memory_bytes,
            dedup_entries_max: DEDUP_ENTRIES_MAX,
            window_messages: WINDOW_MESSAGES,
            window_bytes: WINDOW_BYTES,
            page_rows: PAGE_ROWS,
            unanswered_sends: UNANSWERED_SENDS_MAX,
            writes_pending: WRITES_PENDING_MAX,
        }
    }
}

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate { per_second: per_second.into(), burst: burst.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Limits::default().out_of_range(), None);
        assert_eq!(LimitsLayer::default().or_default(), Limits::default());
    }

    #[test]
    fn every_limit_has_a_minimum() {
        let zero = |member: &str| {
            let layer: LimitsLayer = toml::from_str(&format!("{member} = 0")).unwrap();
            layer.or_default().out_of_range().map(|(name, _)| name.to_owned())
        };
        let shown = toml::Table::try_from(Limits::default()).unwrap();
        assert_eq!(shown.len(), 16);
        for member in shown.keys() {
            assert_eq!(zero(member), Some(format!("limits.{member}")));
        }
    }
}
