//! The relay as a process and agents of the SDK around it: what holds when something dies, and what nobody gets to see.

mod agents;
mod durability;
mod identity;
mod reconnect;
mod secrecy;
mod tenants;
