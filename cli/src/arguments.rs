//! The commands and what all of them take.

use clap::{Parser, Subcommand};

use crate::output::Form;
use crate::{agents, ask, completions, dev, doctor, inbox, init, listen, relay, send, verify, whoami};

const AFTER_HELP: &str = "\
The agent comes from MSG2AGENT_DIR (a folder as mounted from a Secret), else from MSG2AGENT_URL, MSG2AGENT_DID, \
MSG2AGENT_TOKEN_FILE and MSG2AGENT_IDENTITY_FILE, else from a profile made by `m2a init`: the one MSG2AGENT_PROFILE \
names, or `default`.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 refused by the relay; 4 not reached or no answer in time, try again; \
5 something does not verify.";

/// Secure messages between agents.
#[derive(Parser)]
#[command(name = "m2a", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Arguments {
    /// The profile to act as, whatever the environment says.
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// How to print: text, or json (one object, or one per line where there are several).
    #[arg(long, short, global = true, value_enum, default_value_t = Form::Text)]
    pub(crate) output: Form,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Try everything on this machine: a relay, two agents, one message, its proof.
    Dev(dev::Options),
    /// Make an agent: its keys and its profile.
    Init(init::Options),
    /// Show who this agent is and whether it can connect.
    Whoami(whoami::Options),
    /// Send a message; it waits for a recipient that is away.
    Send(send::Options),
    /// Send a request and wait for its answer.
    Ask(ask::Options),
    /// Receive messages as they come, and optionally answer requests.
    Listen(listen::Options),
    /// Show the messages that wait, without taking them.
    Inbox(inbox::Options),
    /// Find agents by capability, or look one up.
    Agents(agents::Options),
    /// Replace the agent's signing and encryption keys.
    Rotate,
    /// Verify a proof file offline.
    Verify(verify::Options),
    /// Walk what a client walks and name the side that stopped, and why.
    Doctor(doctor::Options),
    /// Administer a relay: tenants, agents, API keys.
    Relay(relay::Options),
    /// Print a completion script for a shell.
    Completions(completions::Options),
}
