//! Reads the fields of one message from the members of an object.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::{FieldViolation, FromProtoJson, ProtoEnum, Struct, Timestamp};

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, ANY_PADDING);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, ANY_PADDING);

/// The members of one object, with the path that leads to it.
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: String,
}

type Read<T> = Result<T, FieldViolation>;

impl<'a> Fields<'a> {
    /// The members of a value, which is an object at this path.
    ///
    /// # Errors
    /// The value is no object.
    pub fn of(value: &'a Value, path: &str) -> Read<Self> {
        match value {
            Value::Object(members) => Ok(Self { members, path: path.to_owned() }),
            _ => Err(FieldViolation::new(path, "must be an object")),
        }
    }

    /// The path of a field of this object.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A violation by a field of this object.
    #[must_use]
    pub fn violation(&self, name: &str, problem: &str) -> FieldViolation {
        FieldViolation::new(self.path(name), problem)
    }

    /// The value of a field, which is absent when it is `null`.
    ///
    /// # Errors
    /// The field is there in both of its spellings.
    pub fn get(&self, name: &str) -> Read<Option<&'a Value>> {
        let original = snake_case(name);
        let spelled = if original == name { None } else { self.members.get(&original) };
        match (self.members.get(name), spelled) {
            (Some(_), Some(_)) => Err(self.violation(name, "is there twice, in two spellings")),
            (first, second) => Ok(first.or(second).filter(|value| !value.is_null())),
        }
    }

    /// The value of a `Value` field. `null` is a value.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn any(&self, name: &str) -> Read<Option<Value>> {
        self.get(name)?;
        Ok(self.members.get(name).or_else(|| self.members.get(&snake_case(name))).cloned())
    }

    /// # Errors
    /// The field is no string.
    pub fn optional_text(&self, name: &str) -> Read<Option<String>> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.violation(name, "must be a string")),
        }
    }

    /// A string, which is empty when the field is absent.
    ///
    /// # Errors
    /// The field is no string.
    pub fn text(&self, name: &str) -> Read<String> {
        Ok(self.optional_text(name)?.unwrap_or_default())
    }

    /// # Errors
    /// The field is absent, empty or no string.
    pub fn required_text(&self, name: &str) -> Read<String> {
        self.present(name, self.optional_text(name)?.filter(|text| !text.is_empty()))
    }

    /// A string of at most `max` bytes.
    ///
    /// # Errors
    /// The field is absent, empty, no string or longer.
    pub fn required_id(&self, name: &str, max: usize) -> Read<String> {
        self.present(name, self.optional_id(name, max)?)
    }

    /// A string of at most `max` bytes. An empty one is absent.
    ///
    /// # Errors
    /// The field is no string or longer.
    pub fn optional_id(&self, name: &str, max: usize) -> Read<Option<String>> {
        let text = self.optional_text(name)?.filter(|text| !text.is_empty());
        match text {
            Some(text) if text.len() > max => {
                Err(self.violation(name, &format!("must have at most {max} bytes, has {}", text.len())))
            }
            text => Ok(text),
        }
    }

    /// # Errors
    /// The field is neither `true` nor `false`.
    pub fn optional_flag(&self, name: &str) -> Read<Option<bool>> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.violation(name, "must be true or false")),
        }
    }

    /// # Errors
    /// As [`Self::optional_flag`].
    pub fn flag(&self, name: &str) -> Read<bool> {
        Ok(self.optional_flag(name)?.unwrap_or_default())
    }

    /// An integer of 32 bits, also written as `1.0` or `"1"`.
    ///
    /// # Errors
    /// The field is no such integer.
    pub fn optional_int(&self, name: &str) -> Read<Option<i32>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let int = match value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let int = int.and_then(|int| i32::try_from(int).ok());
        int.map(Some).ok_or_else(|| self.violation(name, "must be an integer of 32 bits"))
    }

    /// # Errors
    /// The field is no object.
    pub fn object(&self, name: &str) -> Read<Option<Struct>> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.clone())),
            Some(_) => Err(self.violation(name, "must be an object")),
        }
    }

    /// Bytes in base64 of either alphabet, with or without padding.
    ///
    /// # Errors
    /// The field is no such string.
    pub fn bytes(&self, name: &str) -> Read<Option<Vec<u8>>> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let bytes = BASE64.decode(&text).or_else(|_| BASE64URL.decode(&text));
        bytes.map(Some).map_err(|_| self.violation(name, "must be base64"))
    }

    /// # Errors
    /// The field is no time of RFC 3339.
    pub fn timestamp(&self, name: &str) -> Read<Option<Timestamp>> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let time = Timestamp::parse(&text);
        let problem = "must be a time such as 2026-01-31T12:00:00.000Z";
        time.map(Some).ok_or_else(|| self.violation(name, problem))
    }

    /// An enum, which is absent when it is unspecified.
    ///
    /// # Errors
    /// The field is neither a name nor a number of the enum.
    pub fn choice<E: ProtoEnum>(&self, name: &str) -> Read<Option<E>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        if value.as_str() == Some(E::UNSPECIFIED) || value.as_i64() == Some(0) {
            return Ok(None);
        }
        let is_it = |(_, text, number): &&(E, &str, i64)| {
            value.as_str() == Some(*text) || value.as_i64() == Some(*number)
        };
        let found = E::VALUES.iter().find(is_it).map(|(variant, ..)| *variant);
        found.map(Some).ok_or_else(|| {
            let names: Vec<_> = E::VALUES.iter().map(|(_, text, _)| *text).collect();
            self.violation(name, &format!("must be one of {}", names.join(", ")))
        })
    }

    /// # Errors
    /// The field is absent, unspecified or no value of the enum.
    pub fn required_choice<E: ProtoEnum>(&self, name: &str) -> Read<E> {
        self.present(name, self.choice(name)?)
    }

    /// # Errors
    /// The field is no such message.
    pub fn message<T: FromProtoJson>(&self, name: &str) -> Read<Option<T>> {
        self.get(name)?.map(|value| T::from_value(value, &self.path(name))).transpose()
    }

    /// # Errors
    /// The field is absent or no such message.
    pub fn required_message<T: FromProtoJson>(&self, name: &str) -> Read<T> {
        self.present(name, self.message(name)?)
    }

    /// A list of at most `max` messages.
    ///
    /// # Errors
    /// The field is no such list or longer.
    pub fn messages<T: FromProtoJson>(&self, name: &str, max: usize) -> Read<Vec<T>> {
        let items = self.items(name, max)?.iter().enumerate();
        items.map(|(i, item)| T::from_value(item, &format!("{}[{i}]", self.path(name)))).collect()
    }

    /// A list of at most `max` messages, which is not empty.
    ///
    /// # Errors
    /// The field is absent, empty, no such list or longer.
    pub fn required_messages<T: FromProtoJson>(&self, name: &str, max: usize) -> Read<Vec<T>> {
        self.present(name, Some(self.messages(name, max)?).filter(|items| !items.is_empty()))
    }

    /// A list of at most `max` strings.
    ///
    /// # Errors
    /// The field is no such list or longer.
    pub fn texts(&self, name: &str, max: usize) -> Read<Vec<String>> {
        let items = self.items(name, max)?.iter().map(|item| item.as_str().map(str::to_owned));
        let texts: Option<Vec<_>> = items.collect();
        texts.ok_or_else(|| self.violation(name, "must be a list of strings"))
    }

    /// A map of strings to messages.
    ///
    /// # Errors
    /// The field is no object, or a member is no such message.
    pub fn map<T: FromProtoJson>(&self, name: &str) -> Read<Vec<(String, T)>> {
        let members = match self.get(name)? {
            None => return Ok(Vec::new()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(self.violation(name, "must be an object")),
        };
        let path = self.path(name);
        let read = |(key, value): (&String, &Value)| {
            Ok((key.clone(), T::from_value(value, &format!("{path}.{key}"))?))
        };
        members.iter().map(read).collect()
    }

    fn items(&self, name: &str, max: usize) -> Read<&'a [Value]> {
        match self.get(name)? {
            None => Ok(&[]),
            Some(Value::Array(items)) if items.len() <= max => Ok(items),
            Some(Value::Array(items)) => {
                Err(self.violation(name, &format!("must have at most {max} items, has {}", items.len())))
            }
            Some(_) => Err(self.violation(name, "must be a list")),
        }
    }

    fn present<T>(&self, name: &str, value: Option<T>) -> Read<T> {
        value.ok_or_else(|| self.violation(name, "is required"))
    }
}

fn snake_case(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            spelled.push('_');
        }
        spelled.push(letter.to_ascii_lowercase());
    }
    spelled
}

fn whole(number: f64) -> Option<i64> {
    let is_int = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX) + 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
    is_int.then_some(number as i64)
}
