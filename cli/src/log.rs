//! The log of a command on standard error: warnings, or what `MSG2AGENT_LOG` says. Only our own crates say more than
//! warnings: at their lower levels libraries write requests with their API keys.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::failure::Failure;

const VARIABLE: &str = "MSG2AGENT_LOG";
/// The library and this program; the protocol crate writes nothing.
const OWN_CRATES: [&str; 2] = ["msg2agent", "m2a"];

pub(crate) fn start() -> Result<(), Failure> {
    let wanted = std::env::var(VARIABLE).unwrap_or_else(|_| "warn".into());
    let filter = EnvFilter::builder().parse(&wanted).map_err(|e| {
        let advice = "give directives such as debug or msg2agent=debug";
        Failure::usage(format!("{VARIABLE} is not a log filter"), advice).caused_by(&e)
    })?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(may_say)).init();
    Ok(())
}

fn may_say(event: &Metadata<'_>) -> bool {
    let from = event.target().split("::").next().unwrap_or_default();
    *event.level() <= Level::WARN || OWN_CRATES.contains(&from)
}
