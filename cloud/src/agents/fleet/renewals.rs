//! Which renewals are not stored yet: whoever takes leases from silent workers asks first.

use actix::prelude::{Context, Handler};
use pictor_actors::ids::LeaseId;

use super::actor::Fleet;
use super::messages::GetRenewals;

impl Handler<GetRenewals> for Fleet {
    type Result = Option<Vec<LeaseId>>;

    fn handle(&mut self, GetRenewals(leases): GetRenewals, _context: &mut Context<Self>) -> Self::Result {
        self.writes.waiting_of(leases)
    }
}
