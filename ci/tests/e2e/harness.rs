//! What every end-to-end test needs: a farm that is quick to notice things, scenes made by Blender, decoded
//! frames.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ci::farm::{Farm, FarmOptions, Programs};
use tempfile::TempDir;

/// A farm in a temporary folder. Its folder is kept if the test panics, so that the logs can be read.
pub struct Stage {
    pub farm: Farm,
    pub folder: Keep,
    /// Its database, where that is PostgreSQL.
    pub database: Option<String>,
}

impl Drop for Stage {
    /// Whatever a test did to the farm, it kept its promises.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.farm.audit().unwrap();
        }
    }
}

/// A folder that is removed unless the test failed.
pub struct Keep(Option<TempDir>);

impl Keep {
    pub fn path(&self) -> &Path {
        self.0.as_ref().unwrap().path()
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        if let (true, Some(folder)) = (std::thread::panicking(), self.0.take()) {
            println!("kept for a look: {}", folder.keep().display());
        }
    }
}

/// Settings that make a farm notice a dead worker in seconds instead of minutes.
pub fn quick() -> Vec<(&'static str, String)> {
    vec![
        ("PICTOR__LIVENESS__HEARTBEAT_MS", "500".into()),
        ("PICTOR__LIVENESS__STALE_AFTER_MS", "2000".into()),
        ("PICTOR__LIVENESS__OFFLINE_AFTER_MS", "4000".into()),
        ("PICTOR__LIVENESS__LEASE_TTL_MS", "6000".into()),
        ("PICTOR__LIVENESS__PATIENCE_MS", "6000".into()),
    ]
}

thread_local! {
    static ON_POSTGRES: Cell<bool> = const { Cell::new(false) };
}

/// From here on this test's farms keep their rows in PostgreSQL.
pub fn use_postgres() {
    ON_POSTGRES.set(true);
}

/// A database of this test's own on the server that `cargo ci test` started.
pub fn database() -> String {
    let server =
        std::env::var("PICTOR_TEST_POSTGRES").expect("`cargo ci test` starts PostgreSQL and names it");
    // A test may have several farms, and `cargo test` runs several tests in one process.
    static LAST: AtomicU32 = AtomicU32::new(0);
    let name = format!("e2e_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
    let create = format!("CREATE DATABASE {name}");
    assert!(Command::new("psql").args([&server, "-q", "-c", &create]).status().unwrap().success());
    server.rsplit_once('/').map(|(server, _)| format!("{server}/{name}")).unwrap()
}

impl Stage {
    /// A farm with the product's own settings.
    pub fn new() -> Self {
        Self::with(Vec::new())
    }

    /// A farm with these settings.
    pub fn with(mut settings: Vec<(&'static str, String)>) -> Self {
        let database = ON_POSTGRES.get().then(database);
        settings.extend(database.clone().map(|url| ("PICTOR__DATABASE__URL", url)));
        let mut stage = Self::at(tempfile::Builder::new().prefix("pictor-e2e-").tempdir().unwrap(), settings);
        stage.database = database;
        stage
    }

    /// A farm in this folder, with these settings as they are.
    pub fn at(folder: TempDir, settings: Vec<(&'static str, String)>) -> Self {
        let options = FarmOptions { listen: None, settings, probes: Some(probes()) };
        let farm = Farm::start(Programs::beside_the_test().unwrap(), folder.path(), options).unwrap();
        Self { farm, folder: Keep(Some(folder)), database: None }
    }

    /// A scene made by `ci/tests/scenes/make.py`.
    pub fn scene(&self, kind: &str, frames: u32) -> PathBuf {
        scene(self.folder.path(), kind, frames)
    }

    /// Bytes of an address of the API, asked for with the farm's token.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = format!("{}/api/v1/{path}", self.farm.url());
        runtime.block_on(async {
            let request = reqwest::Client::new().get(&address).bearer_auth(self.farm.token());
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{address} answered {}", answer.status());
            answer.bytes().await.unwrap().to_vec()
        })
    }

    /// Downloads a job's frames and decodes them: file name and pixels, ascending by name.
    pub fn frames(&self, job: &str) -> Vec<(String, Vec<u8>)> {
        let folder = self.folder.path().join(format!("frames-{job}"));
        self.farm.pull(job, &folder).unwrap();
        decoded(&folder)
    }
}

/// Shared by the tests of one build, so that not every worker tries every engine anew.
pub fn probes() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("probes")
}

/// Makes a scene file with Blender.
pub fn scene(folder: &Path, kind: &str, frames: u32) -> PathBuf {
    let scenes = folder.join("scenes");
    std::fs::create_dir_all(&scenes).unwrap();
    let file = scenes.join(format!("{kind}.blend"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/make.py");
    let output = Command::new("blender")
        .args(["--background", "--factory-startup", "-noaudio", "--python-exit-code", "3", "--python"])
        .arg(script)
        .args(["--", kind, &frames.to_string()])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success() && file.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

/// Renders a scene with bare Blender, as a person would by hand.
pub fn bare_blender(scene: &Path, folder: &Path) -> Vec<(String, Vec<u8>)> {
    std::fs::create_dir_all(folder).unwrap();
    let status = Command::new("blender")
        .args(["--background", "--factory-startup", "-noaudio"])
        .arg(scene)
        .arg("-o")
        .arg(folder.join("####"))
        .arg("-a")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    decoded(folder)
}

/// Pictures of a folder, decoded to RGBA.
pub fn decoded(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let pixels = image::open(&file).unwrap().into_rgba8().into_raw();
            (file.file_name().unwrap().to_string_lossy().into_owned(), pixels)
        })
        .collect()
}
