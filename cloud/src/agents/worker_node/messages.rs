//! What a worker's actor is told and asked.

use actix::Message;
use pictor_actors::ids::{LeaseId, LinkId};
use pictor_actors::protocol::{Cancel, FromWorker, Hello, MetricSample, Offer, Pause, Refusal, ToWorker};
use pictor_actors::units::{Millis, UnixMillis};
use tokio::sync::mpsc;

use crate::store::OpenedLink;

/// A connection of the worker was let in and is stored.
#[derive(Debug, Message)]
#[rtype(result = "Result<Adopted, Refusal>")]
pub struct Adopt {
    /// The connection.
    pub link: LinkId,
    /// What the worker said.
    pub hello: Box<Hello>,
    /// What the store says.
    pub opened: Box<OpenedLink>,
    /// Where messages to it go.
    pub outbound: mpsc::Sender<Box<ToWorker>>,
}

/// The connection is the worker's now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// First heartbeat after this.
    pub heartbeat_after: Millis,
}

/// The worker said something over this connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Said {
    /// Over which.
    pub link: LinkId,
    /// What.
    pub said: FromWorker,
}

/// The socket is gone. An older connection than the present one changes nothing.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LinkGone(pub LinkId);

/// A stored lease for it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct OfferLease {
    /// What it hears.
    pub offer: Box<Offer>,
    /// Silence after which the lease is lost; nothing: not known yet.
    pub lost_after: Option<Millis>,
    /// Counts the fleet's offers to this worker, so that the fleet knows which of them a report has seen.
    pub number: u64,
}

/// A lease that has ended in the store: it is to stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TakeBack(pub Cancel);

/// A lease that has ended in the store, and the worker knows.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct EndLease(pub LeaseId);

/// It failed too often. Already stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Rest {
    /// Until then.
    pub until: UnixMillis,
    /// Why.
    pub reason: String,
}

/// Its owner paused or resumed it from the dashboard. Already stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SetPause(pub Option<Pause>);

/// Its owner removed it. Already stored.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Remove;

/// A machine was enrolled anew as this worker: the connection with the key before is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct KeyChanged;

/// The cloud stops: say good-bye to the worker; its leases stay.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SayBye;

/// The fleet has lost its copy: report again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ReportNow;

/// Samples of the last 15 minutes, oldest first.
#[derive(Debug, Message)]
#[rtype(result = "Vec<MetricSample>")]
pub struct GetSamples;

/// Its row may have been changed by another replica, or for one: look at it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LookAtRow;
