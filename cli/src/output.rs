//! Printing: text with a little colour for people, JSON lines for programs. Errors go to standard error in the same form.

use std::fmt;
use std::io::{IsTerminal as _, Write as _, stderr, stdout};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Json,
}

pub(crate) struct Output {
    form: Form,
    colour_out: bool,
    colour_err: bool,
    /// Standard output is taken by something else, such as a proof.
    aside: bool,
}

/// What colour says.
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
    pub(crate) fn new(form: Form) -> Self {
        // https://no-color.org: any value but the empty one.
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let colour_out = wanted && stdout().is_terminal();
        Self { form, colour_out, colour_err: wanted && stderr().is_terminal(), aside: false }
    }

    /// The same, on standard error, because standard output carries something else.
    pub(crate) fn aside(&self) -> Self {
        Self { form: self.form, colour_out: self.colour_err, colour_err: self.colour_err, aside: true }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// One result: its JSON on one line, or its text.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl fmt::Display) {
        match self.form {
            Form::Json => self.line(&serde_json::to_string(value).unwrap_or_default()),
            Form::Text => self.line(&text.to_string()),
        }
    }

    /// A remark for people on standard error; programs do not see it.
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

    /// A reader that went away (`m2a listen | head`) ends the output, not the program.
    pub(crate) fn line(&self, text: &str) {
        let _ = if self.aside { writeln!(stderr(), "{text}") } else { writeln!(stdout(), "{text}") };
    }
}

fn paint(colour: bool, tone: Tone, text: impl fmt::Display) -> String {
    if colour { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_string() }
}

/// Text from others with its control characters made visible, so that a message cannot drive the terminal.
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
    fn a_message_cannot_drive_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\r\u{9b}c\nd"), "a\\u{1b}[2Jb\\r\\u{9b}c\nd");
    }

    #[test]
    fn colour_is_left_out_where_it_is_not_wanted() {
        assert_eq!(paint(false, Tone::Bad, "x"), "x");
        assert_eq!(paint(true, Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }
}
