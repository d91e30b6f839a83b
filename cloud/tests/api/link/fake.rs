//! A worker without a machine: an Ed25519 key and a WebSocket.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{SinkExt as _, StreamExt as _};
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::codec::encode;
use pictor_actors::protocol::enrolment::{ConfigurationFile, EnrolRequest};
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::hello::proof_message;
use pictor_actors::protocol::{
    Challenge, FromWorker, Heartbeat, HeartbeatAck, Hello, LeaseRef, MachineFacts, MetricSample, Refusal,
    SUBPROTOCOL, SlotFacts, SlotStatus, ToWorker, VERSION, Welcome, WorkerActivity,
};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{Reply, TestApp};

/// Nothing here takes a second; a loaded machine may.
const WITHIN: Duration = Duration::from_secs(20);

/// A worker that was made over the API.
pub struct FakeWorker {
    pub id: WorkerId,
    pub key: SigningKey,
    pub base: String,
}

/// Its open socket.
pub struct Wire {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    seq: u64,
}

/// How a socket ended.
#[derive(Debug, PartialEq)]
pub enum Ended {
    Refused(Refusal),
    Bye,
    Closed,
}

/// A fresh configuration file of a new worker.
pub async fn configuration(app: &TestApp, name: &str) -> ConfigurationFile {
    let program = app.token("workers").await;
    let made = program.post("/api/v1/workers", &json!({ "name": name })).await;
    assert_eq!(made.status, 201, "{made}");
    fresh_configuration(app, made.value()["id"].as_str().unwrap()).await
}

/// A fresh configuration file of a worker that is there.
pub async fn fresh_configuration(app: &TestApp, worker: &str) -> ConfigurationFile {
    let program = app.token("workers").await;
    let made = program.post(&format!("/api/v1/workers/{worker}/configuration"), &json!({})).await;
    assert_eq!(made.status, 201, "{made}");
    toml::from_str(made.value()["content"].as_str().unwrap()).unwrap()
}

/// Sends a configuration file's token with a key.
pub async fn enrol(app: &TestApp, file: &ConfigurationFile, key: &SigningKey, hostname: &str) -> Reply {
    let request = EnrolRequest {
        worker: file.worker,
        token: file.token.clone(),
        public_key: STANDARD.encode(key.verifying_key().to_bytes()),
        hostname: hostname.to_owned(),
    };
    app.nobody().post("/api/v1/workers/enrol", &request).await
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

impl FakeWorker {
    /// Made, enrolled, never connected.
    pub async fn enrolled(app: &TestApp) -> Self {
        Self::enrolled_as(app, "rig-01").await
    }

    pub async fn enrolled_as(app: &TestApp, name: &str) -> Self {
        let (file, key) = (configuration(app, name).await, key(1));
        let enrolled = enrol(app, &file, &key, "rig-01.local").await;
        assert_eq!(enrolled.status, 200, "{enrolled}");
        Self { id: file.worker, key, base: app.base.clone() }
    }

    /// The same worker as seen from a cloud at another address.
    pub fn at(self, app: &TestApp) -> Self {
        Self { base: app.base.clone(), ..self }
    }

    pub async fn connect(&self) -> Wire {
        self.connect_holding(&[]).await.0
    }

    pub async fn connect_holding(&self, held: &[LeaseRef]) -> (Wire, Welcome) {
        let mut wire = Wire::open(&self.base).await;
        let challenge = wire.challenge().await;
        wire.say(&FromWorker::Hello(Box::new(self.hello(&challenge.nonce, held)))).await;
        match wire.hear().await {
            Ok(ToWorker::Welcome(welcome)) => (wire, *welcome),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// A hello with a good signature over this nonce.
    pub fn hello(&self, nonce: &str, held: &[LeaseRef]) -> Hello {
        let signature = self.key.sign(&proof_message(self.id, nonce));
        Hello {
            version: VERSION,
            worker: self.id,
            signature: STANDARD.encode(signature.to_bytes()),
            app_version: "0.1.0".to_owned(),
            machine: MachineFacts { hostname: "rig-01.local".to_owned(), ..MachineFacts::default() },
            slots: vec![SlotFacts {
                slot: 0,
                gpu_pci_id: None,
                engines: vec![RenderEngine::Cycles],
                enabled: true,
            }],
            held: held.to_vec(),
            pause: None,
            only_asks: false,
        }
    }
}

impl Wire {
    pub async fn open(base: &str) -> Self {
        let url = format!("{}/api/v1/link", base.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let (socket, response) = timeout(WITHIN, connect_async(request)).await.unwrap().unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Self { socket, seq: 0 }
    }

    pub async fn challenge(&mut self) -> Challenge {
        match self.hear().await {
            Ok(ToWorker::Challenge(challenge)) => challenge,
            other => panic!("no challenge but {other:?}"),
        }
    }

    pub async fn say(&mut self, message: &FromWorker) {
        self.say_text(encode(message).unwrap()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// A heartbeat that names these leases; its answer.
    pub async fn beat(&mut self, held: &[LeaseRef]) -> HeartbeatAck {
        self.beat_working(&[], held).await
    }

    /// A heartbeat whose slots work on these leases and that names those others.
    pub async fn beat_working(&mut self, working: &[LeaseRef], held: &[LeaseRef]) -> HeartbeatAck {
        self.seq += 1;
        let slots = (0..).zip(working).map(|(slot, lease)| SlotStatus {
            slot,
            phase: SlotPhase::Rendering,
            lease: Some(*lease),
            frame: None,
            frame_done: None,
            frames_done: 0,
            progress_age_ms: None,
        });
        let beat = Heartbeat { slots: slots.collect(), ..heartbeat(self.seq, held) };
        self.say(&FromWorker::Heartbeat(Box::new(beat))).await;
        loop {
            match self.hear().await {
                Ok(ToWorker::HeartbeatAck(ack)) => {
                    assert_eq!(ack.seq, self.seq);
                    return ack;
                }
                Ok(_) => {}
                Err(ended) => panic!("no answer to a heartbeat but {ended:?}"),
            }
        }
    }

    /// The next message, or how the socket ended.
    pub async fn hear(&mut self) -> Result<ToWorker, Ended> {
        loop {
            let received = timeout(WITHIN, self.socket.next()).await.expect("the cloud says something");
            match received {
                None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return Err(Ended::Closed),
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads until the socket ends; the last word before that.
    pub async fn end(mut self) -> Ended {
        let mut last = Ended::Closed;
        loop {
            match self.hear().await {
                Ok(ToWorker::Refused(refusal)) => last = Ended::Refused(refusal),
                Ok(ToWorker::Bye { .. }) => last = Ended::Bye,
                Ok(_) => {}
                Err(_) => return last,
            }
        }
    }

    /// The code of the refusal that ends the socket.
    pub async fn refusal(self) -> pictor_actors::protocol::RefusalCode {
        match self.end().await {
            Ended::Refused(refusal) => refusal.code,
            other => panic!("not refused but {other:?}"),
        }
    }
}

pub fn heartbeat(seq: u64, held: &[LeaseRef]) -> Heartbeat {
    let sample = MetricSample { cpu_percent: Some(12.5), ..MetricSample::default() };
    Heartbeat {
        seq,
        activity: WorkerActivity::Idle,
        slots: Vec::new(),
        held: held.to_vec(),
        sample: Some(sample),
        outbox_frames: 0,
        outbox_bytes: 0,
        disk_free_bytes: None,
    }
}

/// Waits until `look` finds what it wants.
pub async fn eventually<T, F, L>(what: &str, mut look: L) -> T
where
    L: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let looking = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        loop {
            every.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    timeout(WITHIN, looking).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}
