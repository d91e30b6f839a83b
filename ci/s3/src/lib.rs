//! A real S3 server for tests: `s3s-fs`, which checks every signature and its age, on a loopback port, its
//! objects in a folder. It can be stopped, as a storage that is away is, and started again at the same
//! address with the same objects.
//!
//! It can also be late with its answers, or with looking at a request, as a slow line makes it.
//!
//! It runs within the test's process on threads of its own: nothing has to be installed, and a test that
//! panics leaves no process behind.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The bucket that is there.
pub const BUCKET: &str = "farm";
/// Who may.
pub const ACCESS_KEY: &str = "AKIATEST";
/// With what.
pub const SECRET_KEY: &str = "test+secret/key";

/// A running or stopped server; dropping it removes its objects.
pub struct S3Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    running: Option<Runtime>,
    line: Line,
    speaks: Speaks,
}

/// Whose requests it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Amazon's, whose signatures it checks.
    Amazon,
    /// Google's, which are the same but for who asks: it lets everybody in.
    Google,
}

/// What happens to requests on their way; the same for all connections.
#[derive(Clone)]
struct Line {
    /// Put, but not answered while this says so.
    holds_answers: Arc<watch::Sender<bool>>,
    /// What deletes, before it is looked at.
    deletes: Gate,
    /// What makes the server copy, before it is looked at.
    copies: Gate,
    /// `PUT`s to a signed address.
    signed_puts: Arc<AtomicUsize>,
    /// All that came.
    requests: Arc<AtomicUsize>,
    /// The next one is looked at after this.
    late_once: Arc<Mutex<Option<Duration>>>,
}

/// Where requests wait while it is shut.
#[derive(Clone)]
struct Gate {
    is_shut: Arc<watch::Sender<bool>>,
    /// How many came while it was.
    held: Arc<watch::Sender<usize>>,
}

impl Gate {
    fn open() -> Self {
        Self { is_shut: Arc::new(watch::channel(false).0), held: Arc::new(watch::channel(0).0) }
    }

    async fn pass(&self) {
        let mut shut = self.is_shut.subscribe();
        if *shut.borrow() {
            self.held.send_modify(|held| *held += 1);
        }
        // An error: the server is gone, and so is who waits.
        let _ = shut.wait_for(|shut| !shut).await;
    }

    async fn wait_held(&self, count: usize) {
        // An error: the server is gone, and nobody waits for it any more.
        let _ = self.held.subscribe().wait_for(|held| *held >= count).await;
    }
}

impl S3Server {
    /// Starts it with an empty bucket.
    ///
    /// # Panics
    /// Where a folder, a port or a thread cannot be had: a test cannot go on then.
    #[must_use]
    pub fn start() -> Self {
        Self::start_that(Speaks::Amazon)
    }

    /// The same for requests as Google's XML interface gets them, from everybody.
    ///
    /// # Panics
    /// As [`S3Server::start`].
    #[must_use]
    pub fn start_for_google() -> Self {
        Self::start_that(Speaks::Google)
    }

    #[allow(clippy::expect_used)]
    fn start_that(speaks: Speaks) -> Self {
        let folder = tempfile::Builder::new().prefix("pictor-s3-").tempdir().expect("a temporary folder");
        std::fs::create_dir_all(folder.path().join(BUCKET)).expect("a bucket is a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let line = Line {
            holds_answers: Arc::new(watch::channel(false).0),
            deletes: Gate::open(),
            copies: Gate::open(),
            late_once: Arc::default(),
            signed_puts: Arc::default(),
            requests: Arc::default(),
        };
        let mut server = Self { folder, address, running: None, line, speaks };
        server.serve(listener);
        server
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings of a cloud that keeps its blobs below this prefix.
    #[must_use]
    pub fn settings(&self, prefix: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PICTOR__BLOBS__URL", format!("s3://{BUCKET}/{prefix}")),
            ("PICTOR__BLOBS__ENDPOINT", self.endpoint()),
            ("PICTOR__BLOBS__REGION", "us-east-1".to_owned()),
            ("PICTOR__BLOBS__ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("PICTOR__BLOBS__SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// The folder that holds the objects, each under its name.
    #[must_use]
    pub fn objects(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// What is put is stored, and its sender does not hear of it until this is taken back.
    pub fn hold_answers(&self, holds: bool) {
        self.line.holds_answers.send_replace(holds);
    }

    /// What is to be deleted stays until this is taken back: its `DELETE` is on the way so long.
    pub fn hold_deletes(&self, holds: bool) {
        self.line.deletes.is_shut.send_replace(holds);
    }

    /// Waits until so many `DELETE`s have been held.
    pub async fn wait_held_deletes(&self, count: usize) {
        self.line.deletes.wait_held(count).await;
    }

    /// What is to be copied by the server is not, until this is taken back.
    pub fn hold_copies(&self, holds: bool) {
        self.line.copies.is_shut.send_replace(holds);
    }

    /// Waits until so many copies have been held.
    pub async fn wait_held_copies(&self, count: usize) {
        self.line.copies.wait_held(count).await;
    }

    /// The next `PUT` is looked at so much later: its signature may be too old by then.
    pub fn be_late_once(&self, by: Duration) {
        *self.line.late_once.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    /// How many requests came, of any kind.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.line.requests.load(Ordering::SeqCst)
    }

    /// How many `PUT`s came by a signed address.
    #[must_use]
    pub fn signed_puts(&self) -> usize {
        self.line.signed_puts.load(Ordering::SeqCst)
    }

    /// Every connection ends and none is taken until [`S3Server::start_again`].
    pub fn stop(&mut self) {
        if let Some(runtime) = self.running.take() {
            runtime.shutdown_background();
        }
    }

    /// At the same address.
    ///
    /// # Panics
    /// Where the port was taken meanwhile.
    #[allow(clippy::expect_used)]
    pub fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the port is free still");
        self.serve(listener);
    }

    #[allow(clippy::expect_used)]
    fn serve(&mut self, listener: TcpListener) {
        listener.set_nonblocking(true).expect("a listener can be polled");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads for the server");
        let (service, line) = (service(self.folder.path(), self.speaks), self.line.clone());
        let speaks = self.speaks;
        runtime.spawn(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            while let Ok((socket, _)) = listener.accept().await {
                let (service, line) = (service.clone(), line.clone());
                let answer = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                    let (service, line) = (service.clone(), line.clone());
                    async move {
                        line.count(&request);
                        if speaks == Speaks::Google {
                            line.forget_who_asks(&mut request);
                        }
                        let is_put = request.method() == Method::PUT;
                        if is_put {
                            line.be_late().await;
                        }
                        if is_delete(&request) {
                            line.deletes.pass().await;
                        }
                        if request.headers().contains_key("x-amz-copy-source") {
                            line.copies.pass().await;
                        }
                        let answer = Service::call(&service, request).await;
                        if is_put {
                            line.hold().await;
                        }
                        answer
                    }
                });
                tokio::spawn(async move {
                    // A client that goes away in the middle is its own business.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        self.running = Some(runtime);
    }
}

/// One object, or a list of them.
fn is_delete<B>(request: &hyper::Request<B>) -> bool {
    let is_list = request.uri().query().is_some_and(|query| query.starts_with("delete"));
    request.method() == Method::DELETE || (request.method() == Method::POST && is_list)
}

impl Line {
    fn count<B>(&self, request: &hyper::Request<B>) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let is_signed = request.uri().query().is_some_and(|query| query.contains("-Signature="));
        if request.method() == Method::PUT && is_signed {
            self.signed_puts.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Takes Google's signatures off a request, which the server would mistake for ones of its own.
    fn forget_who_asks<B>(&self, request: &mut hyper::Request<B>) {
        request.headers_mut().remove(hyper::header::AUTHORIZATION);
        let Some((path, query)) = request.uri().path_and_query().map(|whole| (whole.path(), whole.query()))
        else {
            return;
        };
        let all = query.into_iter().flat_map(|query| query.split('&'));
        let rest: Vec<&str> = all.filter(|one| !one.starts_with("X-Goog-")).collect();
        let separator = if rest.is_empty() { "" } else { "?" };
        if let Ok(uri) = format!("{path}{separator}{}", rest.join("&")).parse() {
            *request.uri_mut() = uri;
        }
    }

    async fn be_late(&self) {
        let by = self.late_once.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(by) = by {
            tokio::time::sleep(by).await;
        }
    }

    async fn hold(&self) {
        let mut holds = self.holds_answers.subscribe();
        // An error: the server is gone, and so is who waits.
        let _ = holds.wait_for(|holds| !holds).await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

#[allow(clippy::expect_used)]
fn service(folder: &Path, speaks: Speaks) -> S3Service {
    let files = s3s_fs::FileSystem::new(folder).expect("the folder is there");
    let mut builder = S3ServiceBuilder::new(files);
    match speaks {
        Speaks::Amazon => builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY)),
        Speaks::Google => {}
    }
    builder.build()
}
