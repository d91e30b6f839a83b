//! For tests: the whole (state × event) table of a machine as text, so that a changed rule is a changed line
//! in review.

use std::fmt::Write as _;

/// One block a state, one line an event.
pub fn table<S, E>(states: &[(&str, S)], events: &[(&str, E)], cell: impl Fn(&S, &E) -> String) -> String {
    let mut text = String::new();
    for (state_name, state) in states {
        let _ = writeln!(text, "{state_name}");
        for (event_name, event) in events {
            let _ = writeln!(text, "  {event_name:<34} {}", cell(state, event));
        }
    }
    text
}
