//! One word and its cause: what lists and headings show for a worker.
//!
//! Connection comes before activity: what an offline worker last said about itself is no longer known.

use std::fmt;

use pictor_actors::protocol::{Pause, PauseReason, WorkerActivity};
use pictor_actors::units::{Millis, UnixMillis};

use super::standing::Rest;
use crate::liveness::Connection;
use crate::named::named;

named! {
    /// The word, best first; the order is that of lists sorted by status.
    pub enum StatusWord("worker status") {
        /// Renders.
        Working = "working",
        /// Loads inputs or starts an engine.
        Preparing = "preparing",
        /// Finishes what it has.
        Finishing = "finishing",
        /// Ready, nothing to do.
        Idle = "idle",
        /// Replaces its own program.
        Updating = "updating",
        /// Takes nothing, for a reason.
        Paused = "paused",
        /// Gets nothing because it failed too often.
        Rested = "rested",
        /// Cannot work.
        Error = "error",
        /// Its heartbeat is overdue.
        Stale = "stale",
        /// Silent for long, or it left.
        Offline = "offline",
        /// Never connected.
        NeverSeen = "never seen",
    }
}

/// What is known of a worker.
#[derive(Debug, Clone, Copy)]
pub struct StatusFacts<'a> {
    /// Its connection.
    pub connection: Connection,
    /// What it last said that it does.
    pub activity: Option<&'a WorkerActivity>,
    /// The pause set from the dashboard, which may not have reached it yet.
    pub pause: Option<&'a Pause>,
    /// Its rest, in force or over.
    pub rest: Option<&'a Rest>,
    /// Its last sign of life.
    pub last_heartbeat_at: Option<UnixMillis>,
    /// What it renders, in words ("frame 12 of lamp"), where known.
    pub task: Option<&'a str>,
}

/// A word and its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The word.
    pub word: StatusWord,
    /// Its cause, in words; nothing where the word says all.
    pub cause: Option<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            None => write!(f, "{}", self.word),
            Some(cause) => write!(f, "{}: {cause}", self.word),
        }
    }
}

impl Status {
    /// The status that the facts give at `now`.
    #[must_use]
    pub fn of(facts: &StatusFacts<'_>, now: UnixMillis) -> Self {
        match facts.connection {
            Connection::Never => {
                Self { word: StatusWord::NeverSeen, cause: Some("waits for its first connection".to_owned()) }
            }
            Connection::Stale => silent(StatusWord::Stale, facts, now),
            Connection::Offline => silent(StatusWord::Offline, facts, now),
            Connection::Online => present(facts, now),
        }
    }
}

fn silent(word: StatusWord, facts: &StatusFacts<'_>, now: UnixMillis) -> Status {
    let cause = facts.last_heartbeat_at.map(|at| format!("last heartbeat {} ago", in_words(at.until(now))));
    Status { word, cause }
}

fn present(facts: &StatusFacts<'_>, now: UnixMillis) -> Status {
    if let Some(rest) = facts.rest.filter(|rest| now < rest.until) {
        return Status { word: StatusWord::Rested, cause: Some(rest.reason.clone()) };
    }
    let plain = |word, cause: Option<&str>| Status { word, cause: cause.map(str::to_owned) };
    match (facts.activity, facts.pause) {
        (Some(WorkerActivity::Error { reason }), _) => plain(StatusWord::Error, Some(reason)),
        (Some(WorkerActivity::Updating), _) => plain(StatusWord::Updating, None),
        (Some(WorkerActivity::Paused(pause)), _) => paused(pause, now),
        (Some(WorkerActivity::Finishing), _) => plain(StatusWord::Finishing, facts.task),
        (Some(WorkerActivity::Idle) | None, Some(pause)) => paused(pause, now),
        (Some(WorkerActivity::Idle), None) => plain(StatusWord::Idle, None),
        (None, None) => plain(StatusWord::Idle, Some("connected; its first report is on the way")),
        (Some(WorkerActivity::Preparing), _) => plain(StatusWord::Preparing, facts.task),
        (Some(WorkerActivity::Working), _) => plain(StatusWord::Working, facts.task),
    }
}

fn paused(pause: &Pause, now: UnixMillis) -> Status {
    let mut cause = pause_words(&pause.reason).to_owned();
    if let Some(until) = pause.until {
        cause.push_str(&format!(", for another {}", in_words(now.until(until))));
    }
    Status { word: StatusWord::Paused, cause: Some(cause) }
}

/// The activity as the API names it; a rested worker is `quarantined` whatever it says itself.
#[must_use]
pub const fn activity_word(activity: Option<&WorkerActivity>, is_rested: bool) -> Option<&'static str> {
    if is_rested {
        return Some("quarantined");
    }
    Some(match activity {
        None => return None,
        Some(WorkerActivity::Idle) => "idle",
        Some(WorkerActivity::Preparing) => "preparing",
        Some(WorkerActivity::Working) => "working",
        Some(WorkerActivity::Finishing) => "finishing",
        Some(WorkerActivity::Paused(_)) => "paused",
        Some(WorkerActivity::Updating) => "updating",
        Some(WorkerActivity::Error { .. }) => "error",
    })
}

/// Why a worker is paused, in words.
#[must_use]
pub fn pause_words(reason: &PauseReason) -> &str {
    match reason {
        PauseReason::User => "by its owner, at the machine",
        PauseReason::Dashboard => "by its owner, from the dashboard",
        PauseReason::LowDisk => "its disk is nearly full",
        PauseReason::NoBlender => "no Blender was found on it",
        PauseReason::Other { text } => text,
    }
}

/// A length of time in its largest whole unit ("12 s", "3 min", "2 h", "5 days").
#[must_use]
pub fn in_words(length: Millis) -> String {
    let seconds = length.0 / 1_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;

    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    fn facts(connection: Connection, activity: Option<&WorkerActivity>) -> StatusFacts<'_> {
        let last_heartbeat_at = Some(UnixMillis(NOW.0 - 200_000));
        StatusFacts { connection, activity, pause: None, rest: None, last_heartbeat_at, task: Some("lamp") }
    }

    #[test]
    fn the_whole_table() {
        let pause = Pause { reason: PauseReason::User, until: None };
        let asked = Pause { reason: PauseReason::Dashboard, until: None };
        let rest = Rest { until: NOW.plus(Millis(1)), reason: "rested because".to_owned() };
        let says = [
            WorkerActivity::Idle,
            WorkerActivity::Preparing,
            WorkerActivity::Working,
            WorkerActivity::Finishing,
            WorkerActivity::Paused(pause),
            WorkerActivity::Updating,
            WorkerActivity::Error { reason: "no space".to_owned() },
        ];
        let mut events = vec![("says nothing", None)];
        events.extend(says.iter().map(|said| (activity_word(Some(said), false).unwrap(), Some(said))));
        let connected = |connection| StatusFacts { task: None, ..facts(connection, None) };
        let online = connected(Connection::Online);
        let states = [
            ("never", connected(Connection::Never)),
            ("online", online),
            ("online, with a task", StatusFacts { task: Some("lamp"), ..online }),
            ("online, pause asked", StatusFacts { pause: Some(&asked), ..online }),
            ("online, rested", StatusFacts { rest: Some(&rest), ..online }),
            ("stale", connected(Connection::Stale)),
            ("offline", connected(Connection::Offline)),
        ];
        insta::assert_snapshot!(table(&states, &events, |state, activity| {
            Status::of(&StatusFacts { activity: *activity, ..*state }, NOW).to_string()
        }));
    }

    #[test]
    fn the_word_and_its_cause() {
        let until = Some(NOW.plus(Millis::from_secs(7_500)));
        let pause = Pause { reason: PauseReason::Dashboard, until };
        let rest = Rest { until: NOW.plus(Millis(1)), reason: "rested because".to_owned() };
        let line = |facts: &StatusFacts<'_>| Status::of(facts, NOW).to_string();
        let working = facts(Connection::Online, Some(&WorkerActivity::Working));
        assert_eq!(line(&working), "working: lamp");
        assert_eq!(line(&StatusFacts { rest: Some(&rest), ..working }), "rested: rested because");
        assert_eq!(
            line(&StatusFacts { connection: Connection::Stale, ..working }),
            "stale: last heartbeat 3 min ago"
        );
        assert_eq!(line(&facts(Connection::Never, None)), "never seen: waits for its first connection");
        let idle = facts(Connection::Online, Some(&WorkerActivity::Idle));
        assert_eq!(line(&idle), "idle");
        assert_eq!(
            line(&StatusFacts { pause: Some(&pause), ..idle }),
            "paused: by its owner, from the dashboard, for another 2 h"
        );
        let broken = WorkerActivity::Error { reason: "no space".to_owned() };
        assert_eq!(line(&facts(Connection::Online, Some(&broken))), "error: no space");
    }
}
