//! The members of a record.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::times;

/// A record. Members have the types that the exports of databases give them: a number may be a text,
/// a boolean a number, and an array a text in JSON.
pub(super) struct Row(Map<String, Value>);

impl Row {
    /// Parses a record.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(json) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err("the record is not a JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// Returns the first of these members that is neither missing nor null.
    pub(super) fn get(&self, names: &[&str]) -> Option<&Value> {
        names.iter().find_map(|name| self.0.get(*name)).filter(|value| !value.is_null())
    }

    /// Returns the first of these members that is a text, or a number as text. An empty text counts
    /// as missing.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| text(self.0.get(*name)?))
    }

    /// Returns the first of these members that is a boolean, or 0 or 1.
    pub(super) fn flag(&self, names: &[&str]) -> Option<bool> {
        names.iter().find_map(|name| match self.0.get(*name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) => Some(number.as_i64() != Some(0)),
            Value::String(text) => match text.as_str() {
                "1" | "t" | "true" => Some(true),
                "0" | "f" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    pub(super) fn time(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| times::parse(self.0.get(*name)?))
    }

    /// Returns the elements of an array.
    pub(super) fn list(&self, name: &str) -> Vec<Value> {
        match self.0.get(name) {
            Some(Value::Array(all)) => all.clone(),
            Some(Value::String(json)) => serde_json::from_str(json).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Returns the elements of an array that are objects.
    pub(super) fn rows(&self, name: &str) -> Vec<Self> {
        self.list(name).into_iter().filter_map(Self::of).collect()
    }

    /// Returns the members of an object.
    pub(super) fn object(&self, name: &str) -> Self {
        Self(match self.0.get(name) {
            Some(Value::Object(members)) => members.clone(),
            Some(Value::String(json)) => serde_json::from_str(json).unwrap_or_default(),
            _ => Map::new(),
        })
    }

    pub(super) fn into_members(self) -> Map<String, Value> {
        self.0
    }

    /// Returns the texts of an array, or of a text with commas.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let of_text = |all: &str| {
            let parts = all.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        match self.0.get(name) {
            Some(Value::String(all)) if !all.starts_with('[') => of_text(all),
            // Natural keys of Django are arrays of one text.
            _ => self.list(name).iter().filter_map(|own| text(own.get(0).unwrap_or(own))).collect(),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
