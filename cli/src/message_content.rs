//! The content of a message on the command line.

use clap::Args;
use msg2agent::Content;

use crate::failure::Failure;

/// The content: a text or a JSON value.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct MessageContent {
    /// A text; - reads standard input, which keeps it out of the process list.
    #[arg(long)]
    text: Option<String>,
    /// A JSON value.
    #[arg(long)]
    json: Option<serde_json::Value>,
}

impl MessageContent {
    pub(crate) fn read(self) -> Result<Content, Failure> {
        match (self.text, self.json) {
            (_, Some(json)) => Ok(Content::json(json)),
            (Some(text), None) if text == "-" => std::io::read_to_string(std::io::stdin())
                .map(Content::text)
                .map_err(|e| Failure::io("cannot read the text from standard input", e)),
            (text, None) => Ok(Content::text(text.unwrap_or_default())),
        }
    }
}
