//! Storages that do not speak S3: Azure as Azurite, its maker's emulator, plays it, and Google.
//!
//! Of Google no emulator that is to be had does all: `gcp-storage-emulator` answers its XML interface, which
//! the cloud uses, with 501, and `fake-gcs-server` takes no object there but by a signed address and knows no
//! multipart upload. That interface is S3's with other signatures, so the S3 server plays it here, and lets
//! everybody in: what is shown is each request of ours and its answer, not that Google's signatures are
//! right.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ci::farm::{free_port, kill_hard, simulating};
use ci_s3::S3Server;
use pictor_actors::protocol::assignment::InputManifest;

use crate::harness::Stage;

const SOON: Duration = Duration::from_secs(60);
/// The account and the key that every Azurite has; they are no secret.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const CONTAINER: &str = "farm";
const FRAMES: u32 = 3;
/// More than two requests hold, and no whole number of them: it is written in blocks.
const SCENE_BYTES: usize = 20_000_000;

struct Azurite {
    port: u16,
    folder: tempfile::TempDir,
    server: Child,
}

impl Azurite {
    fn start() -> Self {
        let (port, folder) = (free_port().unwrap(), tempfile::tempdir().unwrap());
        let said = File::create(folder.path().join("said")).unwrap();
        let server = Command::new("node")
            .arg(ci::setup::azurite::program().unwrap())
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
            .args(["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let azurite = Self { port, folder, server };
        let began = ci::shell::started_now();
        while !azurite.said().contains("successfully listens on") {
            assert!(began.elapsed() < SOON, "Azurite does not listen: {}", azurite.said());
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let script = include_str!("container.mjs");
        let made = Command::new("node")
            .args(["--input-type=module", "-e", script, &azurite.endpoint(), ACCOUNT, KEY, CONTAINER])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        azurite
    }

    /// Its log of requests among others.
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap()
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PICTOR__BLOBS__URL", format!("az://{CONTAINER}/some/prefix")),
            ("PICTOR__BLOBS__ENDPOINT", self.endpoint()),
            ("PICTOR__BLOBS__ACCESS_KEY_ID", ACCOUNT.to_owned()),
            ("PICTOR__BLOBS__SECRET_ACCESS_KEY", KEY.to_owned()),
        ]
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(kill_hard(&mut self.server));
    }
}

/// A scene that nobody opens, too large for one request.
fn large_scene(folder: &Path) -> PathBuf {
    let file = folder.join("large.blend");
    let mut bytes = b"BLENDER-v304, and nothing more: its pictures are made up".to_vec();
    let mut state = 1_u64;
    bytes.resize_with(SCENE_BYTES, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    });
    File::create(&file).unwrap().write_all(&bytes).unwrap();
    file
}

/// A real worker renders and puts its frames into the storage; what is larger than a request comes back as it
/// was, and the files are as the rows say.
fn a_job_goes_through(storage: Vec<(&'static str, String)>) -> Stage {
    let mut stage = Stage::with([storage, simulating()].concat());
    stage.farm.add_worker("rig-01").unwrap();
    let job = stage.farm.submit(&stage.scene("second", FRAMES), &["--chunk", "3"]).unwrap();
    let large = large_scene(stage.folder.path());
    let paused = ["--frames", "1", "--engine", "simulated", "--paused"];
    let paused = stage.farm.submit(&large, &paused).unwrap();
    let inputs = stage.get(&format!("jobs/{paused}/inputs"));
    let inputs: InputManifest = serde_json::from_slice(&inputs).unwrap();
    let bytes = stage.get(&format!("blobs/{}", inputs.files[0].hash));
    assert!(bytes == std::fs::read(&large).unwrap(), "the scene comes back as it was");
    stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(stage.frames(&job).len(), FRAMES as usize, "pictures that decode");
    let kept_here = stage.farm.folder().join("cloud/blobs/objects");
    assert!(!kept_here.exists(), "the cloud itself keeps no bytes");
    stage.farm.audit_with(&["--deep"]).unwrap();
    stage
}

#[test]
fn a_job_goes_through_azure() {
    let azurite = Azurite::start();
    let stage = a_job_goes_through(azurite.settings());
    let said = azurite.said();
    let puts = |place: &str| {
        let is_it = |line: &&str| line.contains("\"PUT /") && line.contains(place);
        said.lines().filter(is_it).map(|line| line.contains("sig=")).collect::<Vec<_>>()
    };
    assert_eq!(
        puts("/staging/"),
        [true; FRAMES as usize],
        "workers put frames there themselves, by signed addresses: {said}"
    );
    assert!(puts("/uploads/").contains(&true), "and the client its scene");
    assert!(puts("/objects/").iter().all(|is_signed| !is_signed), "what is a blob the cloud alone wrote");
    drop(stage);
}

#[test]
fn a_job_goes_through_googles_interface() {
    let (server, keys) = (S3Server::start_for_google(), tempfile::tempdir().unwrap());
    let account = keys.path().join("account.json");
    let script = "const {privateKey} = crypto.generateKeyPairSync('rsa', {modulusLength: 2048}); \
                  console.log(JSON.stringify({private_key_id: 'a', client_email: 'farm@example.org', \
                  private_key: privateKey.export({type: 'pkcs8', format: 'pem'})}))";
    let made = Command::new("node").args(["-e", script]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&account, made.stdout).unwrap();
    let settings = vec![
        ("PICTOR__BLOBS__URL", format!("gs://{}/some/prefix", ci_s3::BUCKET)),
        ("PICTOR__BLOBS__ENDPOINT", server.endpoint()),
        ("GOOGLE_SERVICE_ACCOUNT", account.to_string_lossy().into_owned()),
    ];
    let stage = a_job_goes_through(settings);
    assert!(
        server.signed_puts() > FRAMES as usize,
        "workers put frames there themselves, by signed addresses"
    );
    drop(stage);
}
