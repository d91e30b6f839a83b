//! Frames and inputs by way of the cloud's storage: what it is told, what it is not told, and what its
//! refusals cost.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::StreamExt;
use pictor_actors::ids::LeaseId;
use pictor_actors::protocol::upload::{FrameAnnounced, FramePlace, FrameReceipt, PutAddress, PutHeader};
use pictor_actors::units::{BlobHash, UnixMillis};
use pictor_worker::cloud::{CallError, Cloud, FrameBytes, FrameUpload};

const FRAME: &[u8] = b"a frame of some bytes";

/// Cloud and storage in one, on two ports: each notes what it was asked, with the bearer it got.
#[derive(Default)]
struct Seen {
    asked: Vec<(String, Option<String>)>,
    kept: BTreeMap<String, Vec<u8>>,
    /// Status of the storage's answers.
    refuses: Option<u16>,
    storage: String,
    addresses: u32,
}

type Notes = web::Data<Mutex<Seen>>;

fn listen(notes: &Notes, routes: fn(&mut web::ServiceConfig)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let notes = notes.clone();
    let server = HttpServer::new(move || App::new().app_data(notes.clone()).configure(routes));
    actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
    url
}

fn start() -> (Cloud, Notes) {
    let notes: Notes = web::Data::from(Arc::new(Mutex::default()));
    let storage = listen(&notes, |app| {
        app.default_service(web::to(storage_asked));
    });
    notes.lock().unwrap().storage = storage;
    let cloud = Cloud::new(
        listen(&notes, |app| {
            app.default_service(web::to(cloud_asked));
        })
        .parse()
        .unwrap(),
    );
    cloud.set_bearer(Some("wkb_test"));
    cloud.set_puts_directly(true);
    (cloud, notes)
}

fn note(notes: &Notes, who: &str, request: &HttpRequest) {
    let bearer = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let what = request.path().rsplit('/').next().unwrap();
    notes.lock().unwrap().asked.push((format!("{who} {} {what}", request.method()), bearer));
}

async fn storage_asked(request: HttpRequest, body: web::Bytes, notes: Notes) -> HttpResponse {
    note(&notes, "storage", &request);
    let mut seen = notes.lock().unwrap();
    if let Some(status) = seen.refuses.take() {
        return HttpResponse::build(status.try_into().unwrap()).body("no");
    }
    if request.method() == "PUT" {
        assert_eq!(request.headers().get("x-kind").unwrap(), "block");
        seen.kept.insert(request.path().to_owned(), body.to_vec());
        return HttpResponse::Ok().finish();
    }
    let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
    match range.as_deref() {
        None => HttpResponse::Ok().body(FRAME),
        Some("bytes=2-") => HttpResponse::PartialContent().body(&FRAME[2..]),
        Some(other) => panic!("{other}"),
    }
}

async fn cloud_asked(request: HttpRequest, body: web::Bytes, notes: Notes) -> HttpResponse {
    note(&notes, "cloud", &request);
    let mut seen = notes.lock().unwrap();
    seen.addresses += 1;
    let address = format!("{}/put-{}", seen.storage, seen.addresses);
    if request.method() == "GET" {
        return HttpResponse::TemporaryRedirect().insert_header(("location", address)).finish();
    }
    let announced: FrameAnnounced = serde_json::from_slice(&body).unwrap();
    assert_eq!((announced.fence, announced.size), (7, FRAME.len() as u64));
    if request.path().ends_with("/place") {
        let headers = vec![PutHeader { name: "x-kind".to_owned(), value: "block".to_owned() }];
        let put = Some(PutAddress { url: address, headers, good_for_ms: 60_000 });
        return HttpResponse::Ok().json(FramePlace { put, receipt: None });
    }
    if seen.kept.is_empty() {
        let problem = serde_json::json!({ "code": "upload_incomplete", "detail": "not there" });
        return HttpResponse::Conflict().json(problem);
    }
    let (hash, size) = (announced.hash, announced.size);
    HttpResponse::Created().json(FrameReceipt {
        lease: LeaseId::from_u128(1),
        frame: 5,
        hash,
        size,
        stored_at: UnixMillis(1),
    })
}

fn hash() -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(FRAME).as_bytes())
}

async fn deliver(cloud: &Cloud, path: &Path) -> Result<FrameReceipt, CallError> {
    std::fs::write(path, FRAME).unwrap();
    let size = FRAME.len() as u64;
    let (lease, hash) = (LeaseId::from_u128(1), hash());
    let (media_type, bytes) = ("image/png", FrameBytes::File(path));
    cloud
        .deliver(&FrameUpload { lease, fence: 7, frame: 5, hash, size, render_ms: 1, media_type, bytes })
        .await
}

#[actix_web::test]
async fn a_frame_is_put_into_the_storage_without_our_bearer() {
    let (folder, (cloud, notes)) = (tempfile::tempdir().unwrap(), start());
    let receipt = deliver(&cloud, &folder.path().join("frame")).await.unwrap();
    assert_eq!((receipt.hash, receipt.frame), (hash(), 5));
    let bearer = Some("Bearer wkb_test".to_owned());
    let seen = notes.lock().unwrap();
    assert_eq!(
        seen.asked,
        [
            ("cloud POST place".to_owned(), bearer.clone()),
            ("storage PUT put-1".to_owned(), None),
            ("cloud POST commit".to_owned(), bearer),
        ]
    );
    assert_eq!(seen.kept["/put-1"], FRAME);
}

#[actix_web::test]
async fn what_the_storage_refuses_is_tried_again_at_another_address() {
    let (folder, (cloud, notes)) = (tempfile::tempdir().unwrap(), start());
    let path = folder.path().join("frame");
    // 403: too old; 404: no such bucket; 400: whatever it may not like. No frame is dropped for any of them.
    for status in [403, 404, 400, 503] {
        notes.lock().unwrap().refuses = Some(status);
        let refused = deliver(&cloud, &path).await.unwrap_err();
        assert!(matches!(&refused, CallError::Away { why, .. } if why.contains(&status.to_string())));
    }
    deliver(&cloud, &path).await.unwrap();
    let seen = notes.lock().unwrap();
    let puts: Vec<&str> =
        seen.asked.iter().map(|(what, _)| what.as_str()).filter(|what| what.contains("PUT")).collect();
    assert_eq!(puts.len(), 5);
    assert_eq!(puts.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "each at its own: {puts:?}");
}

#[actix_web::test]
async fn a_commit_without_bytes_is_no_refusal_of_the_frame() {
    let (folder, (cloud, notes)) = (tempfile::tempdir().unwrap(), start());
    let path = folder.path().join("frame");
    let forgetful = notes.clone();
    // The storage says that it has it, and has not.
    forgetful.lock().unwrap().refuses = Some(204);
    assert!(matches!(deliver(&cloud, &path).await, Err(CallError::Away { .. })));
    deliver(&cloud, &path).await.unwrap();
}

#[actix_web::test]
async fn an_input_is_got_where_the_cloud_leads_with_its_range_and_without_our_bearer() {
    let (cloud, notes) = start();
    for (from, wanted) in [(0, FRAME), (2, &FRAME[2..])] {
        let mut body = cloud.blob(hash(), from).await.unwrap();
        assert_eq!(body.from, from);
        let mut bytes = Vec::new();
        while let Some(piece) = body.bytes.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(bytes, wanted);
    }
    notes.lock().unwrap().refuses = Some(403);
    assert!(matches!(cloud.blob(hash(), 0).await.map(drop), Err(CallError::Away { .. })), "ask again");
    let seen = notes.lock().unwrap();
    assert!(seen.asked.iter().all(|(what, bearer)| what.starts_with("cloud") == bearer.is_some()));
}
