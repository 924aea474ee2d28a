//! What commands print, as data: ordered fields that become JSON, columns or a template.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// The fields that one kind of output has; frozen, only ever added to.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Name and meaning, in the order they are printed.
    pub(crate) fields: &'static [(&'static str, &'static str)],
    /// The columns of plain output.
    pub(crate) plain: &'static [&'static str],
    /// Names only templates know.
    pub(crate) extras: &'static [&'static str],
}

impl Schema {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| *field == name)
    }
}

/// One thing to print.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    fields: Vec<(&'static str, Value)>,
    extras: Vec<(&'static str, String)>,
}

impl Record {
    /// With one more field.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// With a value that only templates can name.
    #[must_use]
    pub(crate) fn extra(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extras.push((name, value.into()));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// A field as text: strings as they are, nothing for null, JSON for the rest.
    pub(crate) fn text(&self, name: &str) -> String {
        if let Some((_, extra)) = self.extras.iter().find(|(field, _)| *field == name) {
            return extra.clone();
        }
        match self.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The record with these fields only, in this order; all of them without a choice.
    pub(crate) fn choose(&self, names: Option<&[String]>) -> Self {
        let Some(names) = names else {
            return Self { fields: self.fields.clone(), extras: Vec::new() };
        };
        let fields = names
            .iter()
            .filter_map(|name| self.fields.iter().find(|(field, _)| field == name).cloned())
            .collect();
        Self { fields, extras: Vec::new() }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
