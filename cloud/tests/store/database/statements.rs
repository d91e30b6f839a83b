//! The statements that a store runs, from the databases' own log.
//!
//! The log is the process's: meant for nextest, which gives each test a process.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Statements;

#[derive(Default)]
struct Words {
    summary: String,
    whole: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.whole),
            _ => {}
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let text = if words.whole.trim().is_empty() { words.summary } else { words.whole };
        SAID.lock().unwrap_or_else(PoisonError::into_inner).push(text.trim().to_owned());
    }
}

/// Hears every statement from now on, and nothing of before.
pub fn listen() {
    let _ = tracing_subscriber::registry().with(Statements).try_init();
    drop(heard());
}

/// What was heard since, in order.
pub fn heard() -> Vec<String> {
    std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner))
}
