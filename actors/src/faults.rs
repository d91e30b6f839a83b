//! Named places where a program may be made to fail, for tests: what a crash leaves there must be mended by
//! the next start.
//!
//! `PICTOR_FAULTS` says what happens where: `store.commit.after=abort@3,spool.moved=error` ends the process
//! at the third commit and fails the first time that a frame is moved. `PICTOR_FAULTS_SEEN` names a file that
//! gets each name when it is first reached. In an optimised build there is nothing of this: every place is
//! passed.

use std::io;

/// What a place is made to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a test made {0} fail")]
pub struct Injected(pub &'static str);

impl From<Injected> for io::Error {
    fn from(injected: Injected) -> Self {
        Self::other(injected)
    }
}

/// A place in code that may block. `Err`: act as if what stands here had failed.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn reach(_name: &'static str) -> Result<(), Injected> {
    Ok(())
}

/// The same in code that must not block.
#[cfg(not(debug_assertions))]
#[inline]
#[allow(clippy::unused_async)] // in a test's build it waits
pub async fn pass(_name: &'static str) -> Result<(), Injected> {
    Ok(())
}

#[cfg(debug_assertions)]
pub use table::reach;

#[cfg(all(debug_assertions, feature = "runtime"))]
pub use table::pass;

#[cfg(debug_assertions)]
mod table {
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::sync::{Mutex, OnceLock, PoisonError};
    use std::time::Duration;

    use super::Injected;

    /// What happens at a place.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Act {
        Abort,
        Error,
        Delay(Duration),
    }

    /// An act, and at which time of reaching its place.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Planned {
        act: Act,
        at: u64,
    }

    /// What is planned, and how often each place was reached.
    #[derive(Debug, Default)]
    pub(super) struct Table {
        planned: BTreeMap<String, Planned>,
        reached: BTreeMap<&'static str, u64>,
    }

    impl Table {
        /// Reads `name=act@time,…`; what cannot be read is left out.
        pub(super) fn read(text: &str) -> Self {
            let planned = text.split(',').filter_map(|entry| {
                let (name, rest) = entry.split_once('=')?;
                let (act, at) = rest.split_once('@').unwrap_or((rest, "1"));
                let act = match act.split_once(':') {
                    None if act == "abort" => Act::Abort,
                    None if act == "error" => Act::Error,
                    Some(("delay", ms)) => Act::Delay(Duration::from_millis(ms.parse().ok()?)),
                    None | Some(_) => return None,
                };
                Some((name.trim().to_owned(), Planned { act, at: at.parse().ok()? }))
            });
            Self { planned: planned.collect(), reached: BTreeMap::new() }
        }

        /// The place is reached: what happens, and whether it was for the first time.
        pub(super) fn reach(&mut self, name: &'static str) -> (Option<Act>, bool) {
            let times = self.reached.entry(name).or_default();
            *times += 1;
            let planned = self.planned.get(name).filter(|planned| planned.at == *times);
            (planned.map(|planned| planned.act), *times == 1)
        }
    }

    fn act_at(name: &'static str) -> Option<Act> {
        static TABLE: OnceLock<Option<Mutex<Table>>> = OnceLock::new();
        let table = TABLE.get_or_init(|| {
            let is_seen = std::env::var_os("PICTOR_FAULTS_SEEN").is_some();
            let planned = std::env::var("PICTOR_FAULTS").ok();
            (is_seen || planned.is_some()).then(|| Mutex::new(Table::read(&planned.unwrap_or_default())))
        });
        let (act, is_first) = table.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).reach(name);
        if is_first {
            note(name);
        }
        if act == Some(Act::Abort) {
            std::process::abort();
        }
        act
    }

    /// Best effort: a test that does not find the name fails.
    fn note(name: &str) {
        let Some(path) = std::env::var_os("PICTOR_FAULTS_SEEN") else { return };
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    /// A place in code that may block. `Err`: act as if what stands here had failed.
    pub fn reach(name: &'static str) -> Result<(), Injected> {
        match act_at(name) {
            None | Some(Act::Abort) => Ok(()),
            Some(Act::Error) => Err(Injected(name)),
            #[allow(clippy::disallowed_methods)] // the test asked for a slow disk
            Some(Act::Delay(length)) => {
                std::thread::sleep(length);
                Ok(())
            }
        }
    }

    /// The same in code that must not block.
    #[cfg(feature = "runtime")]
    pub async fn pass(name: &'static str) -> Result<(), Injected> {
        match act_at(name) {
            None | Some(Act::Abort) => Ok(()),
            Some(Act::Error) => Err(Injected(name)),
            Some(Act::Delay(length)) => {
                tokio::time::sleep(length).await;
                Ok(())
            }
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::table::{Act, Table};

    #[test]
    fn a_place_fails_when_its_time_has_come_and_never_again() {
        let mut table = Table::read("a=error@2,b=delay:20,c=abort,d=nonsense");
        assert_eq!(table.reach("a"), (None, true));
        assert_eq!(table.reach("a"), (Some(Act::Error), false));
        assert_eq!(table.reach("a"), (None, false));
        assert_eq!(table.reach("b").0, Some(Act::Delay(std::time::Duration::from_millis(20))));
        assert_eq!(table.reach("c").0, Some(Act::Abort));
        assert_eq!((table.reach("d").0, table.reach("e").0), (None, None));
    }
}
