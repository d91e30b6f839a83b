//! A cloud that speaks the real protocol over a real port, does as it is told, and remembers what it heard.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use pictor_actors::ids::{JobId, LeaseId, LinkId, TaskId};
use pictor_actors::protocol::assignment::{InputFile, InputManifest, RenderSettings, TaskLimits};
use pictor_actors::protocol::codec::{decode, encode};
use pictor_actors::protocol::upload::{FENCE_HEADER, FrameReceipt, HASH_HEADER};
use pictor_actors::protocol::{
    Challenge, FromWorker, HeartbeatAck, LeaseRef, Offer, Refusal, TaskSpec, ToWorker, Welcome,
};
use pictor_actors::units::{BlobHash, UnixMillis};
use tokio::sync::{mpsc, watch};

#[derive(Default)]
pub struct Seen {
    pub heard: Vec<FromWorker>,
    pub frames: BTreeSet<(LeaseId, i32)>,
    /// Status that frames get instead of a receipt.
    pub refuse: Option<u16>,
    pub is_away: bool,
    /// The cloud's time of day.
    pub wall: UnixMillis,
    /// What a hello gets in place of a welcome.
    pub refusal: Option<Refusal>,
    /// The line is dead, and the worker does not know: what it says is lost on its way.
    pub is_line_dead: bool,
    pub lost: Vec<FromWorker>,
    pub puts: u32,
    socket: Option<mpsc::Sender<Option<ToWorker>>>,
}

#[derive(Clone)]
pub struct FakeCloud {
    pub seen: Arc<Mutex<Seen>>,
    changed: Arc<watch::Sender<u64>>,
    pub url: url::Url,
}

const SCENE: &[u8] = b"a scene";

pub fn manifest() -> (Vec<u8>, BlobHash) {
    let hash = BlobHash::from_bytes(*blake3::hash(SCENE).as_bytes());
    let file = InputFile { path: "a.blend".into(), hash, size: SCENE.len() as u64 };
    let bytes = serde_json::to_vec(&InputManifest { main: "a.blend".into(), files: vec![file] }).unwrap();
    let hash = BlobHash::from_bytes(*blake3::hash(&bytes).as_bytes());
    (bytes, hash)
}

impl FakeCloud {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url::Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let cloud = Self { seen: Arc::default(), changed: Arc::new(watch::channel(0).0), url };
        let state = web::Data::new(cloud.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(web::PayloadConfig::new(64 * 1024 * 1024))
                .route("/api/v1/link", web::get().to(link))
                .route("/api/v1/jobs/{job}/inputs", web::get().to(async || manifest().0))
                .route("/api/v1/blobs/{hash}", web::get().to(async || SCENE))
                .route("/api/v1/leases/{lease}/frames/{frame}", web::put().to(put_frame))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        actix_web::rt::spawn(server);
        cloud
    }

    pub fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until something holds, at most 20 s.
    pub async fn wait(&self, what: &str, mut holds: impl FnMut(&Seen) -> bool) {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            while !holds(&self.seen.lock().unwrap()) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), waiting).await.is_err() {
            panic!("never came: {what}; heard {:#?}", self.seen.lock().unwrap().heard);
        }
    }

    pub async fn connected(&self) {
        self.wait("a connection", |seen| seen.socket.is_some()).await;
    }

    pub fn say(&self, message: ToWorker) {
        self.seen.lock().unwrap().socket.as_ref().unwrap().try_send(Some(message)).unwrap();
    }

    /// Ends the socket and answers nothing until [`FakeCloud::come_back`].
    pub fn go_away(&self) {
        self.change(|seen| {
            seen.is_away = true;
            let _ = seen.socket.take().unwrap().try_send(None);
        });
    }

    pub fn come_back(&self) {
        self.change(|seen| (seen.is_away, seen.is_line_dead) = (false, false));
    }

    pub fn offer(&self, number: u128, frames: &[i32]) -> LeaseRef {
        self.offer_of(1, number, frames)
    }

    /// A task of this job.
    pub fn offer_of(&self, job: u128, number: u128, frames: &[i32]) -> LeaseRef {
        let lease = LeaseRef { lease: LeaseId::from_u128(number), fence: 7 };
        let task = TaskSpec {
            task: TaskId::from_u128(number),
            job: JobId::from_u128(job),
            job_name: "job".into(),
            attempt: 1,
            frames: frames.to_vec(),
            inputs: manifest().1,
            render: RenderSettings::default(),
            limits: TaskLimits { frame_time_ms: 60_000, memory_bytes: None },
        };
        self.say(ToWorker::Offer(Box::new(Offer { lease, slot: 0, ahead: false, task })));
        lease
    }
}

async fn link(
    request: HttpRequest,
    body: web::Payload,
    cloud: web::Data<FakeCloud>,
) -> actix_web::Result<HttpResponse> {
    if cloud.seen.lock().unwrap().is_away {
        return Ok(HttpResponse::ServiceUnavailable().finish());
    }
    let (mut response, mut session, mut stream) = actix_ws::handle(&request, body)?;
    let (name, value) = (
        actix_web::http::header::SEC_WEBSOCKET_PROTOCOL,
        actix_web::http::header::HeaderValue::from_static(pictor_actors::protocol::SUBPROTOCOL),
    );
    response.headers_mut().insert(name, value);
    let (say, mut said) = mpsc::channel::<Option<ToWorker>>(64);
    actix_web::rt::spawn(async move {
        let challenge = Challenge {
            nonce: "bm9uY2U=".into(),
            versions: vec![1],
            cloud_time: cloud.seen.lock().unwrap().wall,
        };
        session.text(encode(&ToWorker::Challenge(challenge)).unwrap()).await.unwrap();
        loop {
            tokio::select! {
                order = said.recv() => match order {
                    Some(Some(message)) => session.text(encode(&message).unwrap()).await.unwrap(),
                    Some(None) | None => { let _ = session.close(None).await; return; }
                },
                frame = stream.recv() => {
                    let Some(Ok(actix_ws::Message::Text(text))) = frame else { return };
                    let message: FromWorker = decode(&text).unwrap();
                    if cloud.seen.lock().unwrap().is_line_dead {
                        cloud.change(|seen| seen.lost.push(message));
                        continue;
                    }
                    let refusal = cloud.seen.lock().unwrap().refusal.clone();
                    if let Some(answer) = answer(&message, refusal) {
                        let _ = session.text(encode(&answer).unwrap()).await;
                    }
                    let say = say.clone();
                    cloud.change(|seen| {
                        if matches!(message, FromWorker::Hello(_)) {
                            seen.socket = Some(say);
                        }
                        seen.heard.push(message);
                    });
                }
            }
        }
    });
    Ok(response)
}

fn answer(message: &FromWorker, refusal: Option<Refusal>) -> Option<ToWorker> {
    match message {
        FromWorker::Hello(_) if refusal.is_some() => refusal.map(ToWorker::Refused),
        FromWorker::Hello(hello) if hello.only_asks => {
            Some(ToWorker::Bye { reason: "known".into(), retry_after_ms: 0 })
        }
        FromWorker::Hello(_) => Some(ToWorker::Welcome(Box::new(Welcome {
            link: LinkId::from_u128(1),
            bearer: "wkb_test".into(),
            heartbeat_after_ms: 200,
            lease_ttl_ms: 60_000,
            drop: Vec::new(),
            worker_name: "rig".into(),
            wallet_address: None,
            puts_directly: false,
        }))),
        FromWorker::Heartbeat(beat) => {
            let cancel = Vec::new();
            Some(ToWorker::HeartbeatAck(HeartbeatAck { seq: beat.seq, next_after_ms: 200, cancel }))
        }
        _ => None,
    }
}

async fn put_frame(
    request: HttpRequest,
    path: web::Path<(LeaseId, i32)>,
    body: web::Bytes,
    cloud: web::Data<FakeCloud>,
) -> HttpResponse {
    let (lease, frame) = path.into_inner();
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let hash = BlobHash::from_bytes(*blake3::hash(&body).as_bytes());
    assert_eq!((header(HASH_HEADER), header(FENCE_HEADER)), (hash.to_string(), "7".to_owned()));
    let mut status = None;
    cloud.change(|seen| {
        seen.puts += 1;
        status = seen.is_away.then_some(503).or(seen.refuse);
        if status.is_none() {
            seen.frames.insert((lease, frame));
        }
    });
    if let Some(status) = status {
        let status = actix_web::http::StatusCode::from_u16(status).unwrap();
        return HttpResponse::build(status).finish();
    }
    let receipt = FrameReceipt { lease, frame, hash, size: body.len() as u64, stored_at: UnixMillis(1) };
    HttpResponse::Created().json(receipt)
}
