//! Setting up a worker: its name, then the live steps from the configuration file to the first heartbeat.

use pictor_cloud_api::problem::ProblemCode;
use pictor_cloud_api::workers::Worker;
use serde::Serialize;

use super::list::gpu_words;
use super::machine_of;
use crate::views::forms::Field;
use crate::views::{View, format};

/// `/workers/new`.
#[derive(Debug, Clone, Serialize)]
pub struct NewWorkerPage {
    /// Its name, with a suggestion.
    pub name: Field,
    /// Wallet address of the account, for information.
    pub wallet_address: Option<String>,
}

impl View for NewWorkerPage {
    const TEMPLATE: &'static str = "pages/worker_new";
}

/// `/workers/{id}/set-up`.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerSetUpPage {
    /// The worker.
    pub id: String,
    /// Name.
    pub name: String,
    /// Name of the configuration file (`rig-01.pictor`).
    pub file_name: String,
    /// Commands to type, in order.
    pub commands: Vec<String>,
    /// The live part.
    pub steps: SetUpSteps,
}

impl View for WorkerSetUpPage {
    const TEMPLATE: &'static str = "pages/worker_set_up";
}

/// The live steps.
#[derive(Debug, Clone, Serialize)]
pub struct SetUpSteps {
    /// The worker.
    pub id: String,
    /// Name.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
    /// All are done.
    pub is_ready: bool,
    /// Nothing came from the machine so far.
    pub is_waiting: bool,
    /// Why the last try to import the file was refused.
    pub refused: Option<Refused>,
}

/// A refused try to import the file, as the owner of the worker reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// What happened.
    pub title: String,
    /// What to do.
    pub text: String,
    /// When, RFC 3339.
    pub at: String,
    /// The worker itself is set up: only the other try failed.
    pub is_harmless: bool,
}

impl View for SetUpSteps {
    const TEMPLATE: &'static str = "partials/workers/set_up_steps";
}

/// A step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// `done`, `now` or `next`.
    pub state: &'static str,
    /// Icon.
    pub glyph: &'static str,
    /// What happens in it.
    pub label: &'static str,
    /// What came of it.
    pub more: Option<String>,
    /// When it was done, RFC 3339.
    pub at: Option<String>,
}

/// What is known of the way of a worker so far.
#[derive(Debug, Clone, Default)]
pub struct SetUpFacts {
    /// A machine imported the file.
    pub is_enrolled: bool,
    /// Its host name.
    pub hostname: Option<String>,
    /// The last try that was refused since the newest file was made.
    pub refused: Option<RefusedTry>,
}

/// A refused try as it was noted.
#[derive(Debug, Clone)]
pub struct RefusedTry {
    /// Why.
    pub code: ProblemCode,
    /// Name of the machine that tried.
    pub hostname: String,
    /// When, RFC 3339.
    pub at: String,
}

impl Refused {
    fn new(tried: &RefusedTry, owner: Option<&str>) -> Self {
        let host = &tried.hostname;
        let fresh = "Download a fresh file above and import that one.";
        let owner = owner.map_or_else(|| "another machine".to_owned(), |owner| format!("“{owner}”"));
        let (title, text) = if tried.code == ProblemCode::EnrolmentUsed {
            let ask = "If that is the same machine, it is set up already. If it is another, create a worker \
                       for it, or download a fresh file above to move this worker there.";
            (format!("“{host}” tried a file that was used already by {owner}"), ask)
        } else if tried.code == ProblemCode::EnrolmentExpired {
            (format!("“{host}” tried a file that is older than 24 hours"), fresh)
        } else if tried.code == ProblemCode::EnrolmentUnknown {
            (format!("“{host}” tried a file that a newer one has replaced"), fresh)
        } else if tried.code == ProblemCode::KeyMismatch {
            let ask = "Each machine needs its own worker: create one for it, or download a fresh file above \
                       to move this worker there.";
            (format!("“{host}” tried to become this worker, which is {owner}"), ask)
        } else {
            (format!("“{host}” was refused: {}", tried.code.title()), fresh)
        };
        Self { title, text: text.to_owned(), at: tried.at.clone(), is_harmless: false }
    }
}

impl SetUpSteps {
    /// Where the set-up of this worker stands.
    #[must_use]
    pub fn new(worker: &Worker, facts: &SetUpFacts) -> Self {
        let machine = machine_of(worker);
        let is_beating = worker.last_heartbeat_at.is_some();
        let is_ready = is_beating && worker.connection == "online";
        let hardware = machine.as_ref().map(|machine| {
            format!("{}, {} RAM, {}", gpu_words(machine), format::bytes(machine.ram_bytes), machine.os)
        });
        let from = facts.hostname.as_ref().map(|host| format!("on {host}"));
        let ready = is_ready.then(|| "It takes tasks from now on".to_owned());
        let heartbeat_at = worker.last_heartbeat_at.clone();
        let list = [
            ("Configuration file imported", facts.is_enrolled, from, None),
            ("Hardware reported", machine.is_some(), hardware, worker.online_since.clone()),
            ("First heartbeat", is_beating, None, heartbeat_at),
            ("Ready for work", is_ready, ready, None),
        ];
        let now = list.iter().position(|(_, is_done, ..)| !is_done);
        let steps = list.into_iter().enumerate().map(|(index, (label, is_done, more, at))| {
            let (state, glyph) = match (is_done, now == Some(index)) {
                (true, _) => ("done", "check-circle"),
                (false, true) => ("now", "loader"),
                (false, false) => ("next", "circle-dashed"),
            };
            Step { state, glyph, label, more: more.filter(|_| is_done), at: at.filter(|_| is_done) }
        });
        Self {
            id: worker.id.clone(),
            name: worker.name.clone(),
            steps: steps.collect(),
            is_ready,
            is_waiting: !facts.is_enrolled,
            refused: facts.refused.as_ref().map(|tried| Refused {
                is_harmless: facts.is_enrolled,
                ..Refused::new(tried, facts.hostname.as_deref().filter(|_| facts.is_enrolled))
            }),
        }
    }
}
