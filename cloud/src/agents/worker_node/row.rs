//! What its row says, where another replica may have written it.

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{AsyncContext, Context, Handler};
use pictor_actors::protocol::ToWorker;
use pictor_actors::units::Millis;

use super::actor::{WorkerNode, replaced};
use super::messages::{LookAtRow, Remove, SetPause};
use crate::agents::worker_live::standing_of;
use crate::store::{StoreError, WorkerRow};

/// A worker whose connection the database has forgotten comes back so soon.
const COME_BACK_AFTER: Millis = Millis(2_000);

impl Handler<LookAtRow> for WorkerNode {
    type Result = ();

    fn handle(&mut self, _look: LookAtRow, context: &mut Context<Self>) {
        let (store, worker) = (self.wiring.store.clone(), self.id);
        let looking = async move { store.worker(worker).await };
        context.spawn(looking.into_actor(self).map(|row, node, context| node.on_row(row, context)));
    }
}

impl WorkerNode {
    fn on_row(&mut self, row: Result<WorkerRow, StoreError>, context: &mut Context<Self>) {
        let row = match row {
            Ok(row) => row,
            // Whoever told it to look does so again.
            Err(error) => return tracing::debug!(worker = %self.id, %error, "a worker's row was not read"),
        };
        if row.removed_at.is_some() {
            return self.handle(Remove, context);
        }
        self.compare_link(&row);
        self.standing = standing_of(&row);
        if row.pause != self.pause {
            self.handle(SetPause(row.pause), context);
        } else {
            self.report(self.wiring.now());
            self.arm(context);
        }
    }

    /// The row says which connection is the newest; an older one is closed. What is left of a worker that is
    /// connected elsewhere would only mislead.
    fn compare_link(&mut self, row: &WorkerRow) {
        let own = self.link.as_ref().map(|link| link.id);
        if own == row.link_id {
            return;
        }
        if own.is_some() {
            let last_word = if row.link_id.is_some() {
                ToWorker::Refused(replaced())
            } else {
                let reason = "this connection is no longer known: connect again".to_owned();
                ToWorker::Bye { reason, retry_after_ms: COME_BACK_AFTER.0 }
            };
            tracing::info!(worker = %self.id, "a connection that was superseded elsewhere is closed");
            self.say(last_word);
            self.lose_link();
        }
        if row.link_id.is_some() {
            self.link_number = self.link_number.max(row.link_number);
            self.retire();
        }
    }
}
