//! Forms of a running cloud: who may send them, the file that is sent without scripts, and what a refused
//! import looks like to the owner.

use pictor_actors::units::Millis;
use pictor_cloud::http::guards::FORM_HEADER;
use pictor_cloud::http::routes::ROUTES;
use pictor_cloud::store::Role;
use serde_json::json;

use crate::harness::{Client, Reply, TestApp};

const BOUNDARY: &str = "----pictor";

/// Paths of forms, with the role each needs; `None`: whoever is signed in.
fn role_of(path: &str) -> Option<Role> {
    match path.split('/').nth(1) {
        Some("workers") => Some(Role::Provider),
        Some("jobs") => Some(Role::Creator),
        _ => None,
    }
}

#[tokio::test]
async fn every_form_is_refused_to_an_account_without_its_role() {
    let app = TestApp::start().await;
    let mut seen = 0;
    let forms = ROUTES.iter().filter(|route| route.method == "POST" && !route.path.starts_with("/api/"));
    for (route, role) in forms.filter_map(|route| role_of(route.path).map(|role| (route, role))) {
        let others: Vec<Role> = Role::ALL.into_iter().filter(|other| *other != role).collect();
        let person = app.account(&format!("person-{seen}"), &others).await;
        let browser = app.sign_in_as(&person).await;
        let row = app.worker_of(&person, "rig").await.row;
        let job = app.job_of(&person, "1-3").await;
        let path = route.path.replace("{worker}", &row.id.to_string()).replace("{job}", &job.id.to_string());
        let reply = match path.as_str() {
            "/jobs/new" => send_file(&browser, "a.blend", b"BLENDER", "").await,
            _ => {
                browser.form(&path, &[("name", "x"), ("priority", "7"), ("blake3", "0"), ("back", "/")]).await
            }
        };
        assert_eq!(reply.status, 403, "{path}: {reply}");
        assert!(reply.text().contains(&format!("lacks the role {role}")), "{path}: {reply}");
        let after = app.store.job_of(person.id, job.id).await.unwrap();
        assert_eq!((after.state, after.priority), (job.state, job.priority), "{path}");
        assert_eq!(app.store.worker(row.id).await.unwrap().name, "rig", "{path}");
        seen += 1;
    }
    assert!(seen >= 13, "only {seen} forms were tried");
}

#[tokio::test]
async fn who_may_not_submit_is_told_before_choosing_a_file() {
    let app = TestApp::start().await;
    let provider = app.account("provider", &[Role::Provider]).await;
    let reply = app.sign_in_as(&provider).await.with("accept", "text/html").get("/jobs/new").await;
    assert_eq!(reply.status, 403, "{reply}");
    assert!(reply.text().contains("lacks the role creator"), "{reply}");
}

/// Sends a file as a browser without scripts does: the form token is a field.
async fn send_file(browser: &Client, name: &str, bytes: &[u8], token: &str) -> Reply {
    let token = if token.is_empty() { browser.header(FORM_HEADER).unwrap() } else { token };
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), bytes, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let request = browser
        .without(FORM_HEADER)
        .with("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .request("POST", "/jobs/new");
    Reply::of(request.body(body)).await
}

#[tokio::test]
async fn a_small_scene_can_be_sent_without_scripts() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    // Larger than one part of an upload.
    let scene = [b"BLENDER-v304".as_slice(), &vec![7; 17 * 1024 * 1024]].concat();
    let sent = send_file(&browser, "lamp.blend", &scene, "").await;
    assert_eq!(sent.status, 303, "{sent}");
    let hash = blake3::hash(&scene);
    assert_eq!(sent.header("location"), format!("/jobs/new?file={hash}"));
    let settings = browser.get(sent.header("location")).await;
    let settings = settings.text();
    assert!(settings.contains("Submit lamp.blend"), "{settings}");
    let choice = ">OpenEXR, all layers and passes</option>";
    assert!(settings.contains(choice), "each choice has its own words: {settings}");
}

#[tokio::test]
async fn a_file_form_is_refused_when_forged_too_large_or_empty() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let forged = send_file(&browser, "lamp.blend", b"BLENDER", "guess").await;
    assert_eq!(forged.status, 403, "{forged}");
    let large = vec![0; 33 * 1024 * 1024];
    let refused = send_file(&browser, "lamp.blend", &large, "").await;
    assert_eq!(refused.status, 422, "{refused}");
    assert!(refused.text().contains("at most 32 MiB"), "{refused}");
    for (name, words) in [("", "Choose a file first"), ("lamp.exe", "Must end in .blend")] {
        let refused = send_file(&browser, name, b"x", "").await;
        assert!(refused.text().contains(words), "{name}: {refused}");
    }
    assert!(send_file(&browser, "lamp.blend", b"", "").await.text().contains("The file is empty"));
}

/// A machine that tries to import a file with this token.
async fn import(app: &TestApp, worker: &str, token: &str, key: u8, host: &str) -> Reply {
    use base64::Engine as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[key; 32]).verifying_key();
    let public_key = base64::engine::general_purpose::STANDARD.encode(key.as_bytes());
    let body = json!({"worker": worker, "token": token, "public_key": public_key, "hostname": host});
    app.nobody().post("/api/v1/workers/enrol", &body).await
}

/// The token inside a configuration file.
fn token_in(file: &Reply) -> String {
    let text = file.text();
    let line = text.lines().find(|line| line.starts_with("token")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn each_refused_import_is_told_on_the_set_up_page() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await.with("accept", "text/html");
    let made = browser.form("/workers", &[("name", "rig-07")]).await;
    let page = made.header("location").to_owned();
    let worker = page.split('/').nth(2).unwrap().to_owned();
    let file = || async { browser.form(&format!("/workers/{worker}/configuration"), &[]).await };

    let first = token_in(&file().await);
    let second = token_in(&file().await);
    assert_eq!(import(&app, &worker, &first, 1, "attic").await.code(), "enrolment_unknown");
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("“attic” tried a file that a newer one has replaced"), "{shown}");

    app.clock.advance(Millis::from_secs(25 * 3600));
    let browser = app.sign_in().await.with("accept", "text/html");
    import(&app, &worker, &second, 1, "attic").await;
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("“attic” tried a file that is older than 24 hours"), "{shown}");

    let fresh = token_in(&browser.form(&format!("/workers/{worker}/configuration"), &[]).await);
    let shown = browser.get(&page).await.text();
    assert!(
        !shown.contains("role=\"alert\""),
        "a fresh file forgets what was wrong with the old one: {shown}"
    );
    assert_eq!(import(&app, &worker, &fresh, 1, "attic").await.status, 200);
    import(&app, &worker, &fresh, 2, "cellar").await;
    let shown = browser.get(&page).await.text();
    assert!(shown.contains("“cellar” tried to become this worker, which is “attic”"), "{shown}");
    assert!(shown.contains("on attic"), "the worker itself is set up: {shown}");
}
