//! `import`: each way a configuration file can be of no use has its own words and its own exit code.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use pictor_actors::ids::WorkerId;
use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::enrolment::{ConfigurationFile, ENROL_PATH, EnrolAnswer, EnrolRequest};
use pictor_actors::units::Millis;
use pictor_worker::cli::Exit;
use pictor_worker::config::DataDir;
use pictor_worker::control::InstanceLock;
use serde_json::json;
use tokio::process::Command;

/// A cloud that only enrols.
#[derive(Clone, Default)]
struct Enroller {
    url: String,
    /// Status and problem code instead of an answer.
    refuses: Arc<Mutex<Option<(u16, &'static str)>>>,
    /// Public keys of those who asked.
    keys: Arc<Mutex<Vec<String>>>,
}

impl Enroller {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cloud = Self { url, ..Self::default() };
        let state = web::Data::new(cloud.clone());
        let server = HttpServer::new(move || {
            App::new().app_data(state.clone()).route(ENROL_PATH, web::post().to(enrol))
        });
        actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        cloud
    }

    fn refuse(&self, refusal: Option<(u16, &'static str)>) {
        *self.refuses.lock().unwrap() = refusal;
    }

    fn file(&self) -> ConfigurationFile {
        ConfigurationFile {
            format: 1,
            cloud: self.url.clone(),
            worker: WorkerId::from_u128(1),
            name: "rig-01".into(),
            token: "token".into(),
            expires_at: SystemClock.now().wall.plus(Millis::from_secs(3_600)),
        }
    }
}

async fn enrol(request: web::Json<EnrolRequest>, cloud: web::Data<Enroller>) -> HttpResponse {
    cloud.keys.lock().unwrap().push(request.public_key.clone());
    match *cloud.refuses.lock().unwrap() {
        None => HttpResponse::Ok().json(EnrolAnswer { worker: request.worker, name: "rig-01".into() }),
        Some((status, code)) => HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .content_type("application/problem+json")
            .body(json!({ "status": status, "code": code, "detail": "" }).to_string()),
    }
}

/// Code and words of an import.
async fn import(file: &Path, data: &Path, more: &[&str]) -> (u8, String) {
    let mut verb = Command::new(env!("CARGO_BIN_EXE_pictor-worker"));
    let output = verb.arg("import").arg(file).args(more).arg("--data").arg(data).output().await.unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap().try_into().unwrap(), String::from_utf8(words).unwrap())
}

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    async fn import(&self, file: &ConfigurationFile, more: &[&str]) -> (u8, String) {
        let path = self.folder.path().join("rig-01.pictor");
        std::fs::write(&path, toml::to_string(file).unwrap()).unwrap();
        import(&path, &self.data(), more).await
    }

    fn is_enrolled(&self) -> bool {
        self.data().join("identity.toml").exists()
    }
}

#[actix_web::test]
async fn every_refusal_has_its_own_words_and_its_own_code() {
    let (cloud, desk) = (Enroller::start(), Desk::new());
    let refusals = [
        ((409, "enrolment_used"), Exit::FileUsed, "used already"),
        ((410, "enrolment_expired"), Exit::FileExpired, "too old"),
        ((404, "enrolment_unknown"), Exit::FileForeign, "another cloud"),
        ((409, "key_mismatch"), Exit::SecondMachine, "another machine"),
    ];
    let mut told = BTreeSet::new();
    for (refusal, exit, words) in refusals {
        cloud.refuse(Some(refusal));
        let (code, said) = desk.import(&cloud.file(), &[]).await;
        assert_eq!(code, exit.code(), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(said.contains("set-up page") || said.contains("in the cloud"), "it says what to do: {said}");
        assert!(told.insert(said));
        assert!(!desk.is_enrolled(), "{words}");
    }
    cloud.refuse(None);
    let (code, said) = desk.import(&cloud.file(), &[]).await;
    assert_eq!((code, said.contains("enrolled as")), (0, true), "a refusal leaves nothing behind: {said}");
}

#[actix_web::test]
async fn an_old_file_is_known_without_asking() {
    let (cloud, desk) = (Enroller::start(), Desk::new());
    let old = ConfigurationFile { expires_at: pictor_actors::units::UnixMillis(1), ..cloud.file() };
    assert_eq!(desk.import(&old, &[]).await.0, Exit::FileExpired.code());
    assert!(cloud.keys.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_cloud_that_is_not_reached_leaves_the_file_good() {
    let (cloud, desk) = (Enroller::start(), Desk::new());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let (code, said) = desk.import(&ConfigurationFile { cloud: away, ..cloud.file() }, &[]).await;
    assert_eq!(code, Exit::Unreachable.code(), "{said}");
    assert!(said.contains("cannot be reached") && said.contains("the file stays good"), "{said}");
    // Nor does a cloud that is there and busy use it up.
    cloud.refuse(Some((503, "unavailable")));
    assert_eq!(desk.import(&cloud.file(), &[]).await.0, Exit::Unreachable.code());
    cloud.refuse(None);
    assert_eq!(desk.import(&cloud.file(), &[]).await.0, 0);
    // The key is the one of the first try: had only its answer been lost, the file would still be good.
    let keys = cloud.keys.lock().unwrap().clone();
    assert_eq!((keys.len(), &keys[0]), (2, &keys[1]));
}

#[actix_web::test]
async fn an_enrolled_machine_is_left_as_it_is_unless_told() {
    let (cloud, desk) = (Enroller::start(), Desk::new());
    assert_eq!(desk.import(&cloud.file(), &[]).await.0, 0);
    let (code, again) = desk.import(&cloud.file(), &[]).await;
    assert_eq!((code, again.contains("nothing left")), (Exit::EnrolledAlready.code(), true), "{again}");
    let other = ConfigurationFile { worker: WorkerId::from_u128(2), ..cloud.file() };
    let (code, second) = desk.import(&other, &[]).await;
    assert_eq!((code, second.contains("--replace")), (Exit::EnrolledAlready.code(), true), "{second}");
    assert_eq!(cloud.keys.lock().unwrap().len(), 1, "nobody was asked");
    assert_eq!(desk.import(&other, &["--replace"]).await.0, 0);
}

#[actix_web::test]
async fn what_is_no_configuration_file_and_a_worker_that_runs_are_told() {
    let (cloud, desk) = (Enroller::start(), Desk::new());
    let path = desk.folder.path().join("holiday.jpg");
    std::fs::write(&path, [0xff, 0xd8, 0xff]).unwrap();
    for file in [path, desk.folder.path().to_owned()] {
        let (code, said) = import(&file, &desk.data(), &[]).await;
        assert_eq!((code, said.contains("not a worker's configuration file")), (Exit::NotAFile.code(), true));
    }
    let (code, said) = import(&desk.folder.path().join("missing.pictor"), &desk.data(), &[]).await;
    assert_eq!(code, Exit::NoFile.code(), "{said}");
    assert!(said.contains("missing.pictor cannot be read (there is no such file): give the path"), "{said}");
    let data = DataDir::open(Some(desk.data())).unwrap();
    let _running = InstanceLock::take(&data).unwrap().unwrap();
    let (code, said) = desk.import(&cloud.file(), &[]).await;
    assert_eq!((code, said.contains("stop it first")), (Exit::RunsAlready.code(), true), "{said}");
}
