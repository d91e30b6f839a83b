//! Exit codes: scripts and service managers tell by them what happened.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed, as the words say.
    Failed,
    /// 3: this machine is not enrolled.
    NotEnrolled,
    /// 4: the cloud refuses this worker (removed, or its key is not the enrolled one).
    Revoked,
    /// 5: a worker runs with this data folder already.
    RunsAlready,
    /// 6: no program that renders was found.
    NoEngine,
    /// 7: the cloud cannot be reached.
    Unreachable,
    /// 8: no worker runs with this data folder.
    NotRunning,
    /// 10: the configuration file was used already.
    FileUsed,
    /// 11: it is too old.
    FileExpired,
    /// 12: the cloud does not know it.
    FileForeign,
    /// 13: another machine is enrolled as this worker.
    SecondMachine,
    /// 9: the file cannot be read, or there is none.
    NoFile,
    /// 14: it is not a configuration file.
    NotAFile,
    /// 15: this machine is enrolled already; nothing was changed.
    EnrolledAlready,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::NotEnrolled => 3,
            Self::Revoked => 4,
            Self::RunsAlready => 5,
            Self::NoEngine => 6,
            Self::Unreachable => 7,
            Self::NotRunning => 8,
            Self::FileUsed => 10,
            Self::FileExpired => 11,
            Self::FileForeign => 12,
            Self::SecondMachine => 13,
            Self::NoFile => 9,
            Self::NotAFile => 14,
            Self::EnrolledAlready => 15,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
