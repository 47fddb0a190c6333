//! Prints results as text, with colours on a terminal, or as JSON lines. Errors go to standard
//! error in the same format.

use std::fmt;
use std::io::{IsTerminal as _, Write, stderr, stdout};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) struct Output {
    format: Format,
    colour_out: bool,
    colour_err: bool,
    /// Whether results go to standard error, because standard output carries a proof.
    on_stderr: bool,
}

/// The meaning of a colour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    Good,
    Bad,
    Quiet,
    Strong,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Quiet => "2",
            Self::Strong => "1",
        }
    }
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        // https://no-color.org: any value but the empty one.
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour_out = allowed && stdout().is_terminal();
        Self { format, colour_out, colour_err: allowed && stderr().is_terminal(), on_stderr: false }
    }

    /// The same format on standard error, for when standard output carries a proof.
    pub(crate) fn to_stderr(&self) -> Self {
        Self {
            format: self.format,
            colour_out: self.colour_err,
            colour_err: self.colour_err,
            on_stderr: true,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints one result: its JSON on one line, or its text.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl fmt::Display) {
        match self.format {
            Format::Json => self.line(&serde_json::to_string(value).unwrap_or_default()),
            Format::Text => self.line(&text.to_string()),
        }
    }

    /// Prints one result like [`result`](Self::result), and returns once it is handed over.
    ///
    /// # Errors
    /// Whoever reads the output has ended, as in `m2a listen | head -1`, or the disk is full.
    pub(crate) fn hand_over(&self, value: &impl Serialize, text: impl fmt::Display) -> std::io::Result<()> {
        let line = match self.format {
            Format::Json => serde_json::to_string(value).unwrap_or_default(),
            Format::Text => text.to_string(),
        };
        let mut out: Box<dyn Write> = if self.on_stderr { Box::new(stderr()) } else { Box::new(stdout()) };
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Prints a remark on standard error, in text format only.
    pub(crate) fn remark(&self, text: impl fmt::Display) {
        if !self.is_json() {
            let _ = writeln!(stderr(), "{text}");
        }
    }

    pub(crate) fn paint(&self, tone: Tone, text: impl fmt::Display) -> String {
        paint(self.colour_out, tone, text)
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.is_json() {
            let _ = writeln!(stderr(), "{}", serde_json::json!({ "error": failure }));
            return;
        }
        let bad = |text: &str| paint(self.colour_err, Tone::Bad, text);
        let _ = writeln!(stderr(), "{} {}", bad("error:"), visible(&failure.attempt));
        for cause in &failure.causes {
            let _ = writeln!(stderr(), "  because: {}", visible(cause));
        }
        if let Some(id) = &failure.message_id {
            let _ = writeln!(stderr(), "  message: {id}");
        }
        if let Some(advice) = &failure.advice {
            let _ = writeln!(stderr(), "  try: {}", visible(advice));
        }
    }

    /// Prints a line. Ignores that the reader has ended, as in `m2a listen | head`.
    pub(crate) fn line(&self, text: &str) {
        let _ = if self.on_stderr { writeln!(stderr(), "{text}") } else { writeln!(stdout(), "{text}") };
    }
}

fn paint(colour: bool, tone: Tone, text: impl fmt::Display) -> String {
    if colour { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_string() }
}

/// Escapes control characters, so that text from other agents cannot control the terminal.
pub(crate) fn visible(text: &str) -> String {
    let show = |c: char| -> String {
        if c == '\n' || c == '\t' || !c.is_control() { c.into() } else { c.escape_default().to_string() }
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_control_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\r\u{9b}c\nd"), "a\\u{1b}[2Jb\\r\\u{9b}c\nd");
    }

    #[test]
    fn no_colour_codes_are_printed_without_colour() {
        assert_eq!(paint(false, Tone::Bad, "x"), "x");
        assert_eq!(paint(true, Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
