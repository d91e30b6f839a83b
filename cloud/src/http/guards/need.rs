//! Guards, scopes and roles as values: which caller satisfies which route. Pure.

use crate::store::Role;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Anybody; the caller is looked up if it shows a session.
    Public,
    /// Anybody, where secrets are tried (sign-in, set-up, enrolment): few tries per address.
    Door,
    /// A browser with a session; others are sent to the sign-in page.
    Page,
    /// A session, or an API token whose scopes cover the need; for writes also the role.
    Api(Need),
    /// A session only: what a leaked token must not be able to do.
    Session,
    /// A connected worker with its bearer.
    Worker,
    /// A connected worker, or whoever satisfies the need.
    WorkerOr(Need),
}

/// What a route does, for scopes and roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Reads the account itself.
    ReadAccount,
    /// Changes the account, its tokens or sessions.
    WriteAccount,
    /// Reads workers.
    ReadWorkers,
    /// Makes or changes workers.
    WriteWorkers,
    /// Reads jobs, frames and logs.
    ReadJobs,
    /// Makes or changes jobs and uploads.
    WriteJobs,
}

/// What an API token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything the account may.
    All,
    /// Jobs, reading and writing.
    Jobs,
    /// Workers, reading and writing.
    Workers,
    /// Everything, reading only.
    Read,
}

impl Scope {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::All, Self::Jobs, Self::Workers, Self::Read];

    /// As stored and as the API spells it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Jobs => "jobs",
            Self::Workers => "workers",
            Self::Read => "read",
        }
    }

    /// The scope with this spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.text() == text)
    }

    /// Whether a token with this scope covers the need.
    #[must_use]
    pub const fn covers(self, need: Need) -> bool {
        match (self, need) {
            (Self::All, _) | (_, Need::ReadAccount) => true,
            (_, Need::WriteAccount) => false,
            (Self::Jobs, Need::ReadJobs | Need::WriteJobs) => true,
            (Self::Jobs, Need::ReadWorkers | Need::WriteWorkers) => false,
            (Self::Workers, Need::ReadWorkers | Need::WriteWorkers) => true,
            (Self::Workers, Need::ReadJobs | Need::WriteJobs) => false,
            (Self::Read, Need::ReadWorkers | Need::ReadJobs) => true,
            (Self::Read, Need::WriteWorkers | Need::WriteJobs) => false,
        }
    }
}

impl Need {
    /// The role an account must have; none for reading, which shows it only its own.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Self::ReadAccount | Self::WriteAccount | Self::ReadWorkers | Self::ReadJobs => None,
            Self::WriteWorkers => Some(Role::Provider),
            Self::WriteJobs => Some(Role::Creator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [Need; 6] = [
        Need::ReadAccount,
        Need::WriteAccount,
        Need::ReadWorkers,
        Need::WriteWorkers,
        Need::ReadJobs,
        Need::WriteJobs,
    ];

    #[test]
    fn scopes_cover_what_they_say() {
        let table: Vec<String> = Scope::ALL
            .iter()
            .map(|scope| {
                let covered: Vec<String> = NEEDS
                    .iter()
                    .filter(|need| scope.covers(**need))
                    .map(|need| format!("{need:?}"))
                    .collect();
                format!("{}: {}", scope.text(), covered.join(" "))
            })
            .collect();
        assert_eq!(
            table,
            [
                "all: ReadAccount WriteAccount ReadWorkers WriteWorkers ReadJobs WriteJobs",
                "jobs: ReadAccount ReadJobs WriteJobs",
                "workers: ReadAccount ReadWorkers WriteWorkers",
                "read: ReadAccount ReadWorkers ReadJobs",
            ]
        );
    }

    #[test]
    fn scope_texts_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.text()), Some(scope));
        }
        assert_eq!(Scope::parse("root"), None);
    }
}
