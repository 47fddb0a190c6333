//! Logs to standard error: warnings, or what the filter in `MSG2AGENT_LOG` selects.
//!
//! Other crates are limited to warnings, because at lower levels some of them log requests with
//! their API keys.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::failure::Failure;

const VARIABLE: &str = "MSG2AGENT_LOG";
/// The SDK and this program. The protocol crate does not log.
const OWN_CRATES: [&str; 2] = ["msg2agent", "m2a"];

pub(crate) fn init() -> Result<(), Failure> {
    let directives = std::env::var(VARIABLE).unwrap_or_else(|_| "warn".into());
    let filter = EnvFilter::builder().parse(&directives).map_err(|e| {
        let advice = "use directives such as debug or msg2agent=debug";
        Failure::usage(format!("{VARIABLE} is not a valid log filter"), advice).caused_by(&e)
    })?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines).with(filter).with(filter_fn(is_allowed)).init();
    Ok(())
}

fn is_allowed(event: &Metadata<'_>) -> bool {
    let crate_name = event.target().split("::").next().unwrap_or_default();
    *event.level() <= Level::WARN || OWN_CRATES.contains(&crate_name)
}
