//! The link's life: one socket task at a time, two ways into it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::prelude::{Actor, AsyncContext, Context, Handler};
use pictor_actors::protocol::codec::encode;
use pictor_actors::protocol::{FromWorker, Heartbeat};
use tokio::sync::{mpsc, watch};

use super::messages::{CloseSocket, OpenSocket, Say, SayHeartbeat};
use super::socket::{self, Ways};
use crate::agents::coordinator::LinkLost;
use crate::agents::{Workplace, tell};

/// Messages that wait for a slow line: above it the connection is not worth keeping.
const QUEUE: usize = 256;

/// The actor.
pub struct Link {
    place: Arc<Workplace>,
    open: Option<Open>,
}

struct Open {
    connection: u64,
    say: mpsc::Sender<String>,
    heartbeat: watch::Sender<Option<Box<Heartbeat>>>,
}

impl Link {
    /// To the cloud of this place.
    #[must_use]
    pub fn new(place: Arc<Workplace>) -> Self {
        Self { place, open: None }
    }

    fn say(&mut self, message: &FromWorker) {
        let Some(open) = &self.open else {
            tracing::debug!("not connected: a message was not sent");
            return;
        };
        let text = match encode(message) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a message could not be written");
                return;
            }
        };
        if open.say.try_send(text).is_err() {
            tracing::warn!("too many messages wait for the line: the connection is dropped");
            self.open = None;
        }
    }
}

impl Actor for Link {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        // Whatever socket an earlier life of this actor had went with it.
        if self.place.link_lives.fetch_add(1, Ordering::Relaxed) > 0 {
            let why = "the link was started anew".to_owned();
            tell(&self.place.doors().coordinator, LinkLost { connection: None, why });
        }
    }
}

impl Handler<OpenSocket> for Link {
    type Result = ();

    fn handle(&mut self, OpenSocket { connection }: OpenSocket, context: &mut Context<Self>) {
        let (say, said) = mpsc::channel(QUEUE);
        let (heartbeat, heartbeats) = watch::channel(None);
        self.open = Some(Open { connection, say, heartbeat });
        let coordinator = self.place.doors().coordinator.clone();
        let ways = Ways { said, heartbeats, coordinator, connection };
        let cloud = self.place.identity.cloud.clone();
        let running = async move { socket::run(&cloud, ways).await };
        context.spawn(running.into_actor(self).map(move |why, link, _| {
            if link.open.as_ref().is_some_and(|open| open.connection == connection) {
                link.open = None;
            }
            tell(&link.place.doors().coordinator, LinkLost { connection: Some(connection), why });
        }));
    }
}

impl Handler<CloseSocket> for Link {
    type Result = ();

    fn handle(&mut self, _: CloseSocket, _: &mut Context<Self>) {
        self.open = None;
    }
}

impl Handler<Say> for Link {
    type Result = ();

    fn handle(&mut self, Say(message): Say, _: &mut Context<Self>) {
        self.say(&message);
    }
}

impl Handler<SayHeartbeat> for Link {
    type Result = ();

    fn handle(&mut self, SayHeartbeat(heartbeat): SayHeartbeat, _: &mut Context<Self>) {
        if let Some(open) = &self.open {
            open.heartbeat.send_replace(Some(heartbeat));
        }
    }
}
