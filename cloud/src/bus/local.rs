//! No other replica, or none that is told anything: whoever is there looks by itself.

use super::{Bus, Nudge};

/// The bus of a cloud that is alone.
#[derive(Debug, Clone, Copy)]
pub struct Local;

impl Bus for Local {
    fn tell(&self, _nudge: Nudge) {}

    fn is_up(&self) -> bool {
        false
    }
}
