//! The order in which jobs are served: by priority, then the account with the fewest leases, then by age.
//!
//! Jobs of one account and priority move together when the account gets a lease, so only the first of each
//! such group stands in the common order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use pictor_actors::ids::JobId;
use pictor_actors::units::UnixMillis;

/// A job that waits its turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Its number.
    pub number: usize,
    /// Its id.
    pub id: JobId,
    /// Its account's number.
    pub account: usize,
    /// 0 to 100, higher first.
    pub priority: u8,
    /// Its age.
    pub created_at: UnixMillis,
}

/// Place of a job within its group.
type Age = (UnixMillis, JobId, usize);
/// Place of a group: that of its first job.
type Turn = (Reverse<u8>, u32, Age, usize);

struct Group {
    account: usize,
    priority: u8,
    jobs: BTreeSet<Age>,
}

/// The order.
pub(super) struct Order {
    groups: Vec<Group>,
    groups_of: BTreeMap<usize, Vec<usize>>,
    turns: BTreeSet<Turn>,
}

impl Order {
    /// The order of these jobs; `leases` counts those of each account.
    pub fn of(jobs: impl Iterator<Item = Waiting>, leases: &[u32]) -> Self {
        let mut numbers: BTreeMap<(usize, u8), usize> = BTreeMap::new();
        let mut order = Self { groups: Vec::new(), groups_of: BTreeMap::new(), turns: BTreeSet::new() };
        for Waiting { number, id, account, priority, created_at } in jobs {
            let group = *numbers.entry((account, priority)).or_insert_with(|| {
                order.groups.push(Group { account, priority, jobs: BTreeSet::new() });
                order.groups_of.entry(account).or_default().push(order.groups.len() - 1);
                order.groups.len() - 1
            });
            order.groups[group].jobs.insert((created_at, id, number));
        }
        for group in 0..order.groups.len() {
            order.turns.extend(order.turn_of(group, leases));
        }
        order
    }

    /// The job whose turn it is, and its account.
    pub fn first(&self) -> Option<(usize, usize)> {
        let (_, _, (_, _, job), group) = self.turns.first()?;
        Some((*job, self.groups[*group].account))
    }

    /// The first job leaves the order.
    pub fn drop_first(&mut self, leases: &[u32]) {
        let Some((.., age, group)) = self.turns.pop_first() else { return };
        self.groups[group].jobs.remove(&age);
        self.turns.extend(self.turn_of(group, leases));
    }

    /// The account got a lease; `leases` holds the count of before, and then that of now.
    pub fn granted(&mut self, account: usize, leases: &mut [u32]) {
        let groups = self.groups_of.get(&account).map(Vec::as_slice).unwrap_or_default();
        for group in groups {
            if let Some(turn) = self.turn_of(*group, leases) {
                self.turns.remove(&turn);
            }
        }
        leases[account] += 1;
        for group in groups {
            if let Some(turn) = turn_of(&self.groups[*group], *group, leases) {
                self.turns.insert(turn);
            }
        }
    }

    fn turn_of(&self, group: usize, leases: &[u32]) -> Option<Turn> {
        turn_of(&self.groups[group], group, leases)
    }
}

fn turn_of(group: &Group, number: usize, leases: &[u32]) -> Option<Turn> {
    Some((Reverse(group.priority), leases[group.account], *group.jobs.first()?, number))
}
