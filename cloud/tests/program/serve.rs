//! Start and stop.

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use pictor_actors::ids::WorkerId;
use pictor_actors::protocol::enrolment::{ConfigurationFile, EnrolRequest};
use pictor_actors::protocol::{RefusalCode, ToWorker};
use serde_json::json;
use sqlx::Connection as _;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::fake::{Ended, FakeWorker, Wire, key};
use crate::harness::Client;
use crate::program::{
    Running, STOPPED_WITHIN, assert_refused, good, pictor_cloud, run, run_command, with_account,
};

#[tokio::test]
async fn a_fresh_cloud_says_its_address_and_a_one_time_set_up_address() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut cloud = Running::start(&data).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&data).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "password hashes and scenes are nobody else's business");
    let second = cloud.line().await;
    let set_up = second.strip_prefix("no account yet; set it up once at ").unwrap().to_owned();
    assert!(set_up.starts_with(&format!("{}/set-up/", cloud.address)), "{second}");
    let path = set_up.strip_prefix(&cloud.address).unwrap();
    let client = cloud.client();
    for address in ["/livez", "/readyz", path] {
        assert_eq!(client.get(address).await.status, 200, "{address}");
    }
    let form = [("email", "ada@example.org"), ("name", "Ada"), ("password", "correct horse battery")];
    assert_eq!(client.form(path, &form).await.status, 303);
    assert_eq!(client.get(path).await.status, 404, "it was used");
    assert_eq!(std::fs::read_to_string(data.join("address")).unwrap(), cloud.address);
    assert_eq!(cloud.stop().await.len(), 2);
    assert!(!data.join("address").exists(), "nobody listens there any more");
    let again = Running::start(&data).await;
    assert_eq!(again.client().get("/livez").await.status, 200);
    assert_eq!(again.stop().await.len(), 1, "there is an account: one line");
}

/// Makes a worker over the API and enrols it.
async fn enrolled(program: &Client, base: &str) -> FakeWorker {
    let made = program.post("/api/v1/workers", &json!({ "name": "rig-01" })).await;
    let id: WorkerId = made.value()["id"].as_str().unwrap().parse().unwrap();
    let fresh = program.post(&format!("/api/v1/workers/{id}/configuration"), &json!({})).await;
    let file: ConfigurationFile = toml::from_str(fresh.value()["content"].as_str().unwrap()).unwrap();
    let key = key(1);
    let public_key = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(key.verifying_key().to_bytes())
    };
    let request = EnrolRequest { worker: id, token: file.token, public_key, hostname: "rig".into() };
    let enrolled = Client::new(base).post("/api/v1/workers/enrol", &request).await;
    assert_eq!(enrolled.status, 200, "{enrolled}");
    FakeWorker { id, key, base: base.to_owned() }
}

#[tokio::test]
async fn a_worker_that_comes_is_logged_as_online_and_as_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut cloud = Running::start(&data).await;
    let token = with_account(&data).await;
    let program = cloud.client().with("authorization", format!("Bearer {token}"));
    let worker = enrolled(&program, &cloud.address).await;
    // Again, as after a break of its line: the first connection is still the one that is known.
    for _ in 0..2 {
        worker.connect().await.beat(&[]).await;
    }
    cloud.signal(Signal::SIGTERM);
    assert!(cloud.ended().await.success());
    let log = cloud.log();
    let changes: Vec<&str> = log.lines().filter(|line| line.contains("connection changed")).collect();
    assert!(changes.len() == 1 && changes[0].contains("online"), "{log}");
}

#[tokio::test]
async fn a_second_cloud_on_the_same_sqlite_file_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let shared = format!("sqlite://{}", folder.path().join("shared.db").display());
    let start = |data: &std::path::Path| {
        let mut command = pictor_cloud();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", &shared, "--data"]).arg(data);
        command
    };
    let first = Running::run(start(&one), &one).await;
    let refused = run_command(start(&other), "").await;
    assert_refused(&refused, 1, "SQLite is for one at a time");
    first.stop().await;
}

#[tokio::test]
async fn asked_to_stop_it_closes_sockets_with_a_reason_and_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut cloud = Running::start(&data).await;
    let token = with_account(&data).await;
    let program = cloud.client().with("authorization", format!("Bearer {token}"));
    let mut worker = enrolled(&program, &cloud.address).await.connect().await;
    let mut unproven = Wire::open(&cloud.address).await;
    unproven.challenge().await;
    let events = program.request("GET", "/events?topic=workers&format=json").send().await.unwrap();
    assert_eq!(events.status().as_u16(), 200);
    // A request whose body never ends: it may not hold the stop up.
    let mut stuck =
        tokio::net::TcpStream::connect(cloud.address.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /api/v1/workers HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n";
    stuck.write_all(format!("{head}authorization: Bearer {token}\r\n\r\n{{").as_bytes()).await.unwrap();
    assert_eq!(program.get("/api/v1/workers").await.status, 200);
    cloud.signal(Signal::SIGTERM);
    let socket_ends = async {
        let said = worker.hear().await;
        assert!(matches!(&said, Ok(ToWorker::Bye { reason, .. }) if reason.contains("stop")), "{said:?}");
        assert_eq!(worker.hear().await, Err(Ended::Closed));
        let Ended::Refused(refusal) = unproven.end().await else { panic!("closed without a word") };
        assert_eq!(refusal.code, RefusalCode::Unavailable);
        assert!(refusal.message.contains("the cloud stops"), "{refusal:?}");
        let mut stream = events.bytes_stream();
        while let Some(Ok(_)) = stream.next().await {}
    };
    timeout(STOPPED_WITHIN, socket_ends).await.expect("every line is closed");
    let status = cloud.ended().await;
    assert_eq!(status.code(), Some(0), "{status}: {}", cloud.log());
    let again = Running::start(&data).await;
    let listed = again.client().with("authorization", format!("Bearer {token}")).get("/api/v1/workers").await;
    assert_eq!(listed.value()["items"].as_array().unwrap().len(), 1, "{listed}");
    again.stop().await;
}

#[tokio::test]
async fn a_second_cloud_on_the_same_folder_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut cloud = Running::start(&data).await;
    let second = run(&["serve", "--listen", "127.0.0.1:0"], &data, "").await;
    assert_refused(&second, 1, "another pictor-cloud runs with");
    assert!(second.words.contains("say --data with another folder"), "{}", second.words);
    assert_eq!(cloud.client().get("/livez").await.status, 200, "the first one is not disturbed");
    assert_eq!(std::fs::read_to_string(data.join("address")).unwrap(), cloud.address);
    // Killed, it leaves its lock and its address behind: neither is believed.
    cloud.signal(Signal::SIGKILL);
    cloud.ended().await;
    assert!(data.join("address").exists());
    let set_up = good(&["admin", "set-up"], &data, "").await;
    assert!(set_up.starts_with("http://127.0.0.1:7420/set-up/"), "where it will listen: {set_up}");
    let again = Running::start(&data).await;
    let set_up = good(&["admin", "set-up"], &data, "").await;
    assert!(set_up.starts_with(&format!("{}/set-up/", again.address)), "{set_up}");
    assert_eq!(again.client().get(set_up.trim().strip_prefix(&again.address).unwrap()).await.status, 200);
    again.stop().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Running::start(&data).await.stop().await;
    let url = format!("sqlite://{}", data.join("pictor.db").display());
    let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (29991231000001, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["admin", "account", "list"]] {
        assert_refused(&run(arguments, &data, "").await, 1, "newer version");
    }
}

#[tokio::test]
async fn what_cannot_be_had_at_the_start_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let said = run(&["serve", "--listen", &address], &data, "").await;
    assert_refused(&said, 1, &format!("cannot listen on {address}: is another program there?"));
    assert!(!data.join("address").exists());
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert_refused(&run(&["serve"], &file.join("data"), "").await, 1, "cannot be read: Not a directory");
    let mut away = pictor_cloud();
    away.args(["serve", "--listen", "127.0.0.1:0", "--database", "postgres://x:secret@127.0.0.1:1/x"]);
    away.arg("--data").arg(&data);
    let said = run_command(away, "").await;
    assert_refused(&said, 1, "cannot open the database");
    assert!(!said.words.contains("secret"), "{}", said.words);
    let mut odd = pictor_cloud();
    odd.args(["serve", "--data"]).arg(&data).env("PICTOR__LOG__LEVEL", "loud");
    assert_refused(&run_command(odd, "").await, 1, "log.level = loud (environment PICTOR__LOG__LEVEL): give");
}
