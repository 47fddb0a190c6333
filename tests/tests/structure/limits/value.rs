//! Computes the values of constants from their expressions and writes them for people.

use super::Constant;

/// How deep constants may refer to each other.
const DEPTH_MAX: usize = 8;

/// All constants, so that one can refer to another.
pub(super) struct Values<'a>(&'a [Constant]);

/// A computed value.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Number(u128),
    Milliseconds(u128),
}

impl<'a> Values<'a> {
    pub(super) const fn new(constants: &'a [Constant]) -> Self {
        Self(constants)
    }

    /// The value with its unit, or the expression where it cannot be computed.
    pub(super) fn text(&self, constant: &Constant) -> String {
        match self.compute(constant, 0) {
            Some(Value::Milliseconds(value)) => duration(value),
            Some(Value::Number(value)) => number(&constant.name, value),
            None => format!("`{}`", constant.value),
        }
    }

    fn compute(&self, constant: &Constant, depth: usize) -> Option<Value> {
        let mut parser = Parser { rest: constant.value.as_str(), of: constant, values: self, depth };
        let value = parser.sum()?;
        parser.rest.trim().is_empty().then_some(value)
    }

    /// The value of another constant: of the same file, else of the same package, else of any.
    fn named(&self, name: &str, of: &Constant, depth: usize) -> Option<Value> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let all = self.0.iter().filter(|constant| constant.name == name);
        let distance = |other: &Constant| (other.file != of.file, other.member != of.member);
        let nearest = all.clone().map(distance).min()?;
        let mut found = all.filter(|constant| distance(constant) == nearest);
        let first = self.compute(found.next()?, depth + 1)?;
        found.all(|other| self.compute(other, depth + 1) == Some(first)).then_some(first)
    }
}

/// A recursive descent over `+ - * / <<`, parentheses, names and the constructors of `Duration`.
struct Parser<'a> {
    rest: &'a str,
    of: &'a Constant,
    values: &'a Values<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn sum(&mut self) -> Option<Value> {
        let mut left = self.product()?;
        loop {
            left = if self.consume("+") {
                combine(left, self.product()?, u128::checked_add)?
            } else if self.consume("-") {
                combine(left, self.product()?, u128::checked_sub)?
            } else if self.consume("<<") {
                let Value::Number(bits) = self.product()? else { return None };
                combine(left, Value::Number(1_u128.checked_shl(bits.try_into().ok()?)?), u128::checked_mul)?
            } else {
                return Some(left);
            };
        }
    }

    fn product(&mut self) -> Option<Value> {
        let mut left = self.atom()?;
        loop {
            left = if self.consume("*") {
                combine(left, self.atom()?, u128::checked_mul)?
            } else if self.consume("/") {
                combine(left, self.atom()?, u128::checked_div)?
            } else {
                return Some(left);
            };
        }
    }

    fn atom(&mut self) -> Option<Value> {
        if self.consume("(") {
            let value = self.sum()?;
            return self.consume(")").then_some(value);
        }
        let text = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let (word, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.replace('_', "").parse().ok().map(Value::Number);
        }
        let name = word.rsplit("::").next()?;
        if self.consume("(") {
            let Value::Number(count) = self.sum()? else { return None };
            return if self.consume(")") {
                count.checked_mul(unit(name)?).map(Value::Milliseconds)
            } else {
                None
            };
        }
        let value = self.values.named(name, self.of, self.depth)?;
        match value {
            Value::Milliseconds(time) if self.consume(".as_secs()") => Some(Value::Number(time / 1000)),
            value => Some(value),
        }
    }

    fn consume(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// The milliseconds of one unit of a constructor of `Duration`.
fn unit(constructor: &str) -> Option<u128> {
    match constructor {
        "from_millis" => Some(1),
        "from_secs" => Some(1000),
        "from_mins" => Some(60 * 1000),
        "from_hours" => Some(3600 * 1000),
        _ => None,
    }
}

fn combine(left: Value, right: Value, operation: fn(u128, u128) -> Option<u128>) -> Option<Value> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => operation(a, b).map(Value::Number),
        (Value::Milliseconds(a), Value::Number(b)) => operation(a, b).map(Value::Milliseconds),
        _ => None,
    }
}

fn number(name: &str, value: u128) -> String {
    let words: Vec<_> = name.split('_').collect();
    let has = |word| words.contains(&word);
    if has("BYTES") {
        bytes(value)
    } else if has("SECONDS") || has("SECS") {
        duration(value * 1000)
    } else if has("MILLISECONDS") || has("MILLIS") || has("MS") {
        duration(value)
    } else if has("DAYS") {
        format!("{} days", grouped(value))
    } else if has("PERCENT") {
        format!("{value} %")
    } else {
        grouped(value)
    }
}

fn duration(milliseconds: u128) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        _ if !milliseconds.is_multiple_of(1000) => format!("{} ms", grouped(milliseconds)),
        172_800.. if seconds.is_multiple_of(86_400) => format!("{} days", grouped(seconds / 86_400)),
        3_600.. if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        120.. if seconds.is_multiple_of(60) => format!("{} min", grouped(seconds / 60)),
        _ => format!("{} s", grouped(seconds)),
    }
}

fn bytes(value: u128) -> String {
    match value {
        0x4000_0000.. if value.is_multiple_of(1 << 30) => format!("{} GiB", value >> 30),
        0x10_0000.. if value.is_multiple_of(1 << 20) => format!("{} MiB", value >> 20),
        0x400.. if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        _ => format!("{} bytes", grouped(value)),
    }
}

/// The number with a comma before every three digits.
fn grouped(value: u128) -> String {
    let digits = value.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits.char_indices().fold(String::new(), |text, (at, digit)| {
        if comma(at) { format!("{text},{digit}") } else { format!("{text}{digit}") }
    })
}
