//! Live events: who hears what, and what a page hears that comes back.

use std::time::Duration;

use futures_util::StreamExt as _;
use pictor_actors::ids::WorkerId;
use pictor_cloud::http::guards::FORM_HEADER;
use pictor_cloud::store::NewWorkerRow;
use tokio::time::timeout;

use crate::harness::{Client, TestApp};
use crate::link::fake::{FakeWorker, eventually};

/// An open stream, read event by event.
struct Events {
    pieces: futures_util::stream::BoxStream<'static, String>,
    text: String,
}

impl Events {
    async fn open(client: &Client, topic: &str, after: Option<&str>) -> Self {
        Self::open_at(client, &format!("/events?topic={topic}&format=json"), after).await
    }

    async fn open_at(client: &Client, address: &str, after: Option<&str>) -> Self {
        let mut request = client.without(FORM_HEADER).request("GET", address);
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let pieces = response.bytes_stream().map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap());
        Self { pieces: pieces.boxed(), text: String::new() }
    }

    /// The next event, as it is written.
    async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return std::mem::replace(&mut self.text, rest);
            }
            let piece = timeout(Duration::from_secs(20), self.pieces.next()).await.expect("an event comes");
            self.text.push_str(&piece.expect("the stream goes on"));
        }
    }
}

impl Events {
    /// The next event of that name; others before it are skipped.
    async fn next_of(&mut self, name: &str) -> String {
        let line = format!("event: {name}\n");
        let looking = async {
            loop {
                let event = self.next().await;
                if event.contains(&line) {
                    return event;
                }
            }
        };
        timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("no {name} came"))
    }
}

fn id(event: &str) -> &str {
    event.lines().find_map(|line| line.strip_prefix("id: ")).expect("every event has an id")
}

#[tokio::test]
async fn a_page_hears_of_its_workers_and_of_nobody_elses() {
    let app = TestApp::start().await;
    let stranger = app.stranger().await;
    let mine = app.worker().await.row;
    let theirs = app.worker_of(&stranger, "theirs").await.row;
    let mut list = Events::open(&app.sign_in().await, "workers", None).await;
    let mut page = Events::open(&app.token("read").await, &format!("worker:{}", mine.id), None).await;
    assert!(list.next().await.starts_with("retry: "));
    page.next().await;
    app.farm.worker_changed(stranger.id, theirs.id);
    app.farm.worker_changed(app.owner.id, mine.id);
    for stream in [&mut list, &mut page] {
        let event = stream.next().await;
        assert!(event.contains("event: worker_changed") && event.contains(&mine.id.to_string()), "{event}");
    }
}

#[tokio::test]
async fn a_page_of_a_long_list_hears_of_the_rows_that_it_shows() {
    let app = TestApp::start().await;
    let (shown, other) = (app.worker().await.row.id, app.worker_of(&app.owner, "other").await.row.id);
    let theirs = app.worker_of(&app.stranger().await, "theirs").await.row;
    let topic = format!("workers&rows={shown},{}", theirs.id);
    let mut page = Events::open(&app.sign_in().await, &topic, None).await;
    page.next().await;
    app.farm.worker_changed(app.owner.id, other);
    app.farm.worker_changed(theirs.account_id, theirs.id);
    app.farm.worker_changed(app.owner.id, shown);
    let event = page.next().await;
    assert!(event.contains("event: worker_changed") && event.contains(&shown.to_string()), "{event}");
}

#[tokio::test]
async fn the_heading_counts_workers_of_other_pages_too_and_is_kept_right() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let first = browser.get("/workers").await.text();
    assert!(!first.contains("worker-counts"), "there is nothing to count: {first}");
    for number in 0..60 {
        let name = format!("a-{number:02}");
        let new = NewWorkerRow { id: WorkerId::generate(), account_id: app.owner.id, name };
        app.store.create_worker(&new, app.now()).await.unwrap();
    }
    // The last one by name: on the second page.
    let last = FakeWorker::enrolled_as(&app, "z").await;
    let page = browser.get("/workers").await.text();
    assert!(!page.contains(&last.id.to_string()));
    let counts = |words: &str| format!(r#"<p class="counts" id="worker-counts">{words}</p>"#);
    assert!(page.contains(&counts("61 never seen")), "{page}");
    let searched = browser.get("/workers?q=a-07").await.text();
    assert!(searched.contains(&counts("61 never seen")), "of all, whatever is searched for: {searched}");

    let stream = page.split("hx-sse:connect=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let stream = stream.replace("&amp;", "&").replace("&#x3D;", "=");
    let mut live = Events::open_at(&browser, &stream, None).await;
    let mut wire = last.connect().await;
    wire.beat(&[]).await;
    let mut heard = String::new();
    while !heard.contains(&counts("1 idle · 60 never seen")) {
        heard = live.next().await;
        assert!(!heard.contains("row-"), "a row of another page: {heard}");
    }
    assert!(heard.contains("hx-target=\"#worker-counts\""), "{heard}");
    let rows = browser.get("/workers").await.text();
    assert!(rows.contains(&counts("1 idle · 60 never seen")), "{rows}");
}

#[tokio::test]
async fn who_comes_back_hears_what_was_missed_or_loads_anew() {
    let app = TestApp::start().await;
    let worker = app.worker().await.row;
    let browser = app.sign_in().await;
    let topic = format!("worker:{}", worker.id);
    let mut first = Events::open(&browser, &topic, None).await;
    let opened = first.next().await;
    drop(first);
    app.farm.worker_changed(app.owner.id, worker.id);
    let mut again = Events::open(&browser, &topic, Some(id(&opened))).await;
    again.next().await;
    assert!(again.next().await.contains("event: worker_changed"));
    let mut other_process = Events::open(&browser, &topic, Some("1-1")).await;
    other_process.next().await;
    assert!(other_process.next().await.contains("event: resync"));
}

#[tokio::test]
async fn a_stored_frame_is_told_and_told_again() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    let job = app.leased_job(&worker, "1-3").await;
    app.farm.job_changed(job.row.id);
    let look = || async { app.farm.jobs_live(vec![job.row.id]).await.remove(&job.row.id) };
    eventually("the job has an actor", look).await;
    let browser = app.sign_in().await;
    let topic = format!("job:{}", job.row.id);
    let mut page = Events::open(&browser, &topic, None).await;
    let opened = page.next().await;
    let bytes = b"a picture".to_vec();
    let stored = worker
        .client
        .request("PUT", &format!("/api/v1/leases/{}/frames/2", job.lease.lease))
        .header("pictor-fence", job.lease.fence)
        .header("pictor-blake3", blake3::hash(&bytes).to_hex().to_string())
        .header("pictor-render-ms", 5)
        .body(bytes)
        .send()
        .await
        .unwrap();
    assert_eq!(stored.status(), 201);
    let told = page.next_of("frame_stored").await;
    assert!(told.contains(r#""frame":2"#), "{told}");
    let mut again = Events::open(&browser, &topic, Some(id(&opened))).await;
    let replayed = again.next_of("frame_stored").await;
    assert_eq!(replayed, told);
}

#[tokio::test]
async fn what_is_not_ones_own_cannot_be_listened_to() {
    let app = TestApp::start().await;
    let mine = app.worker().await.row.id;
    let stranger = app.sign_in_as(&app.stranger().await).await;
    let status = |client: Client, topic: String| async move {
        client.get(&format!("/events?topic={topic}")).await.status
    };
    assert_eq!(status(stranger.clone(), format!("worker:{mine}")).await, 404);
    assert_eq!(status(stranger.clone(), format!("worker:{}", WorkerId::generate())).await, 404);
    assert_eq!(status(stranger, "everything".to_owned()).await, 422);
    assert_eq!(status(app.nobody(), "workers".to_owned()).await, 401);
    assert_eq!(status(app.token("workers").await, "jobs".to_owned()).await, 403);
}

#[tokio::test]
async fn streams_of_one_account_are_bounded() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(Events::open(&browser, "workers", None).await);
    }
    let refused = browser.get("/events?topic=workers").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"), "{refused}");
}
