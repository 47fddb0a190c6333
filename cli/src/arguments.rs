//! The command line arguments: the commands and the global options.

use clap::{Parser, Subcommand};

use crate::output::Format;
use crate::{agents, ask, completions, dev, doctor, inbox, init, listen, relay, send, verify, whoami};

const AFTER_HELP: &str = "\
The agent's settings come from the folder MSG2AGENT_DIR (such as a mounted Secret), or from MSG2AGENT_URL, \
MSG2AGENT_DID, MSG2AGENT_TOKEN_FILE and MSG2AGENT_IDENTITY_FILE, or from a profile that `m2a init` created: \
the one that MSG2AGENT_PROFILE names, or `default`.

Exit codes: 0 success; 1 failure; 2 wrong usage; 3 refused by the relay; 4 unreachable or no answer in time, \
try again; 5 a signature or key does not verify; 6 a proof is consistent, and nothing vouches for its root keys.";

/// Send signed, end-to-end encrypted messages between agents.
#[derive(Parser)]
#[command(name = "m2a", version, after_help = AFTER_HELP, propagate_version = true)]
pub(crate) struct Arguments {
    /// The profile to use. It overrides the environment.
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// The output format: text, or json (one object per line).
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a relay and two agents on this machine, and exchange a first message.
    Dev(dev::DevArgs),
    /// Create an agent: its keys and its profile.
    Init(init::InitArgs),
    /// Show the agent's identity and whether it can connect.
    Whoami(whoami::WhoamiArgs),
    /// Send a message. The relay stores it for a recipient that is offline.
    Send(send::SendArgs),
    /// Send a request and wait for its answer.
    Ask(ask::AskArgs),
    /// Receive messages continuously, and optionally answer requests.
    Listen(listen::ListenArgs),
    /// Show the messages in the mailbox without acknowledging them.
    Inbox(inbox::InboxArgs),
    /// Find agents by capability, or look up one agent.
    Agents(agents::AgentsArgs),
    /// Rotate the agent's signing and encryption keys.
    Rotate,
    /// Verify a proof file against root keys that are known from elsewhere.
    Verify(verify::VerifyArgs),
    /// Check an MCP endpoint step by step, and report which component fails and why.
    Doctor(doctor::DoctorArgs),
    /// Administer a relay: tenants, agents, API keys, invitations.
    Relay(relay::RelayArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}
