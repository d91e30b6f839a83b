//! Builds an actor by its factory, watches its end, builds it anew.

use std::error::Error;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use actix::prelude::{Actor, ActorContext, ActorStreamExt, AsyncContext, Context};
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::budget::RestartBudget;
use super::door::{Door, Entry, LastEnd, Opening};
use super::health::Vitals;
use super::shutdown::{Phase, Shutdown};
use crate::backoff::Backoff;
use crate::now::runtime_mono;
use crate::units::Millis;

/// First wait after a factory failed.
const BUILD_AGAIN_FIRST: Millis = Millis(100);
/// Longest wait between two tries of a factory.
const BUILD_AGAIN_MAX: Millis = Millis::from_secs(5);
/// An actor that was told to stop is dropped after this.
const STOP_WITHIN: Millis = Millis::from_secs(2);

/// Why a factory could not build its actor.
pub type BuildError = Box<dyn Error + Send + Sync>;

/// What a factory returns as its error when the thing its actor stands for has ended (a job that is done):
/// the keeper then closes the door for good, and that is no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the actor stands for has ended")]
pub struct Gone;

/// How an actor is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Name in logs and metrics.
    pub name: &'static str,
    /// Restarts allowed; when they are spent the process stops.
    pub budget: RestartBudget,
    /// Messages that may wait, and as many questions.
    pub mailbox: usize,
    /// An actor that does not answer for this long is stuck: it is dropped and rebuilt. `None`: not watched
    /// (for actors in such numbers that asking each would cost more than it tells).
    pub stuck_after: Option<Millis>,
}

/// Keeps an actor alive: builds it by `factory`, and anew whenever it ends, until the shutdown closes, the
/// door is closed, the factory says [`Gone`] or the budget is spent. Returns at once; messages wait for the
/// first build in [`Door::ask`]. Must be called on a thread with a `LocalSet`, where the actor will live.
pub fn keep<A, F, B>(keeping: Keeping, shutdown: &Shutdown, factory: F) -> Door<A>
where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> B + 'static,
    B: Future<Output = Result<A, BuildError>> + 'static,
{
    let (entry, entered) = watch::channel(Entry::Restarting);
    let (close, closing) = watch::channel(false);
    let vitals = Vitals::new(keeping.name, keeping.stuck_after, keeping.budget, shutdown);
    let door = Door { entry: entered, vitals: Arc::clone(&vitals), close: Arc::new(close) };
    let keeper = Keeper { keeping, shutdown: shutdown.clone(), factory, entry, vitals, closing };
    actix_rt::spawn(keeper.run());
    door
}

struct Keeper<A: Actor, F> {
    keeping: Keeping,
    shutdown: Shutdown,
    factory: F,
    entry: watch::Sender<Entry<A>>,
    vitals: Arc<Vitals>,
    closing: watch::Receiver<bool>,
}

/// What is sent to an actor besides its messages; it travels through the actor's own context.
enum Poke {
    Answer(oneshot::Sender<()>),
    Stop,
}

/// How one life of an actor ended.
enum End {
    Anew(LastEnd),
    ForGood,
}

impl<A, F, B> Keeper<A, F>
where
    A: Actor<Context = Context<A>>,
    F: FnMut() -> B + 'static,
    B: Future<Output = Result<A, BuildError>> + 'static,
{
    async fn run(mut self) {
        let _held = self.shutdown.hold(Phase::Closing, self.keeping.name);
        let mut backoff = Backoff::new(BUILD_AGAIN_FIRST, BUILD_AGAIN_MAX);
        loop {
            let end = self.live_once(&mut backoff).await;
            let End::Anew(last) = end else { break };
            self.entry.send_replace(Entry::Restarting);
            let is_build_failure = matches!(last, LastEnd::NotBuilt(_));
            if !self.vitals.ended(last, runtime_mono()) {
                break;
            }
            if is_build_failure {
                let delay = backoff.failed(RandomState::new().hash_one(0));
                tokio::select! {
                    () = sleep(delay.to_duration()) => {}
                    () = told_to_end(&self.shutdown, &mut self.closing) => break,
                }
            }
        }
        self.entry.send_replace(Entry::Closed);
    }

    async fn live_once(&mut self, backoff: &mut Backoff) -> End {
        // Boxed: it is done once, and the keeper of each actor would keep room for it.
        let building = Box::pin((self.factory)());
        let built = tokio::select! {
            biased;
            () = told_to_end(&self.shutdown, &mut self.closing) => return End::ForGood,
            built = building => built,
        };
        let actor = match built {
            Ok(actor) => actor,
            Err(error) if error.is::<Gone>() => return End::ForGood,
            Err(error) => return End::Anew(LastEnd::NotBuilt(chain(error.as_ref()))),
        };
        backoff.succeeded();
        let (pokes, poked) = mpsc::channel(1);
        let mut life = self.start(actor, poked);
        let end = tokio::select! {
            biased;
            ended = &mut life => match ended {
                Err(error) if error.is_panic() => return End::Anew(LastEnd::Panicked),
                Ok(()) | Err(_) => return End::Anew(LastEnd::Stopped),
            },
            () = told_to_end(&self.shutdown, &mut self.closing) => End::ForGood,
            () = no_longer_answers(self.keeping.stuck_after, &pokes) => End::Anew(LastEnd::Stuck),
        };
        match end {
            End::ForGood => stop(&mut life, &pokes).await,
            // It does not answer, so it would not hear that it should stop.
            End::Anew(_) => life.abort(),
        }
        end
    }

    fn start(&self, actor: A, poked: mpsc::Receiver<Poke>) -> JoinHandle<()> {
        let mut context = Context::new();
        context.set_mailbox_capacity(self.keeping.mailbox);
        let pokes =
            stream::unfold(poked, |mut poked| async move { poked.recv().await.map(|poke| (poke, poked)) });
        context.spawn(
            actix::fut::wrap_stream::<_, A>(pokes)
                .map(|poke, _actor, context: &mut Context<A>| match poke {
                    // The keeper may have stopped waiting.
                    Poke::Answer(answer) => drop(answer.send(())),
                    Poke::Stop => context.stop(),
                })
                .finish(),
        );
        let opening = Opening {
            address: context.address(),
            asks: Arc::new(Semaphore::new(self.keeping.mailbox.max(1))),
        };
        let life = Watched { life: Box::pin(context.into_future(actor)), vitals: Arc::clone(&self.vitals) };
        let life = actix_rt::spawn(life);
        self.entry.send_replace(Entry::Open(opening));
        life
    }
}

/// The actor's whole life as a future, with each poll noted for the watching thread.
struct Watched<L> {
    life: Pin<Box<L>>,
    vitals: Arc<Vitals>,
}

impl<L: Future<Output = ()>> Future for Watched<L> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<()> {
        let vitals = Arc::clone(&self.vitals);
        let _polling = vitals.polling();
        self.life.as_mut().poll(context)
    }
}

async fn told_to_end(shutdown: &Shutdown, closing: &mut watch::Receiver<bool>) {
    let closed = async {
        // When every door is gone nobody can close it any more; the actor lives on for its own timers.
        if closing.wait_for(|&close| close).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = shutdown.reached(Phase::Closing) => {}
        () = closed => {}
    }
}

/// Ends when a probe was not answered within the time, and not either in a second, shorter one: the first may
/// have run out while another actor held the thread.
async fn no_longer_answers(stuck_after: Option<Millis>, pokes: &mpsc::Sender<Poke>) {
    let Some(stuck_after) = stuck_after else { return std::future::pending().await };
    loop {
        sleep(stuck_after.to_duration()).await;
        let (answer, mut answered) = oneshot::channel();
        if pokes.send(Poke::Answer(answer)).await.is_err() {
            return std::future::pending().await; // it has ended: the join handle tells
        }
        for within in [stuck_after, Millis(stuck_after.0 / 4 + 1)] {
            match timeout(within.to_duration(), &mut answered).await {
                Ok(Ok(())) => break,
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) if within == stuck_after => {}
                Err(_) => return,
            }
        }
    }
}

async fn stop(life: &mut JoinHandle<()>, pokes: &mpsc::Sender<Poke>) {
    let stopping = async {
        let _ = pokes.send(Poke::Stop).await; // an error: it has ended already
        let _ = (&mut *life).await;
    };
    if timeout(STOP_WITHIN.to_duration(), stopping).await.is_err() {
        life.abort();
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
