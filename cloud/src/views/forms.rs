//! Fields of forms: what was typed and what is wrong with it.

use std::collections::BTreeMap;

use serde::Serialize;

/// A field as it is shown again after a refused form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Field {
    /// What stands in it.
    pub value: String,
    /// What is wrong with it and what would be right.
    pub error: Option<String>,
}

impl Field {
    /// A field with this in it and nothing wrong.
    #[must_use]
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), error: None }
    }

    /// The same field with what the errors say about it.
    #[must_use]
    pub fn with_error(mut self, name: &str, errors: &FormErrors) -> Self {
        self.error = errors.fields.get(name).cloned();
        self
    }
}

/// What was wrong with a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormErrors {
    /// With the form as a whole.
    pub whole: Option<String>,
    /// With single fields, by name.
    pub fields: BTreeMap<String, String>,
}

/// An entry of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// It is the one chosen.
    pub is_chosen: bool,
}

impl Choice {
    /// Choices from (value, label) pairs, with the one of this value chosen.
    pub fn list<V: Into<String>, L: Into<String>>(
        pairs: impl IntoIterator<Item = (V, L)>,
        chosen: &str,
    ) -> Vec<Self> {
        let choice = |(value, label): (V, L)| {
            let value = value.into();
            Self { is_chosen: value == chosen, value, label: label.into() }
        };
        pairs.into_iter().map(choice).collect()
    }
}
