//! A rig around one engine session: folders, a request, the events.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pictor_actors::now::SystemClock;
use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine, RenderSettings, TaskLimits};
use pictor_actors::protocol::outcome::WarningClass;
use pictor_actors::protocol::{SlotFacts, Software};
use pictor_worker::engines::blender::BlenderEngine;
use pictor_worker::engines::{Engine, EngineEvent, EngineFailure, EngineRequest, EngineSession};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing here takes longer, even on a crowded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Blender is.
pub fn blender() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join("blender")).find(|path| path.is_file());
    found.expect("no blender on the PATH: `cargo ci setup` installs it")
}

pub fn blender_software() -> Software {
    Software {
        name: "Blender".into(),
        version: "3.4.1".into(),
        path: blender().to_string_lossy().into_owned(),
        engines: vec![RenderEngine::Cycles],
    }
}

/// The folder of scenes, made once for all tests: by the first that takes the name.
pub fn scenes() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/make.py");
    let text = std::fs::read(&script).unwrap();
    let name = format!("scenes-{}", &blake3::hash(&text).to_hex()[..12]);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.is_dir() {
        return folder;
    }
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = Command::new(blender())
        .args(["--background", "--factory-startup", "--python-exit-code", "3", "--python"])
        .arg(&script)
        .arg("--")
        .arg(made.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // Another test may have been faster; both made the same.
    let _ = std::fs::rename(made.path(), &folder);
    folder
}

pub struct Rig {
    pub dir: tempfile::TempDir,
    pub request: EngineRequest,
    pub engine: BlenderEngine,
}

impl Rig {
    /// A rig with its own copy of one scene.
    pub fn new(scene: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let inputs_dir = folder("in");
        std::fs::copy(scenes().join(scene), inputs_dir.join(scene)).unwrap();
        let request = EngineRequest {
            software: blender_software(),
            slot: SlotFacts { slot: 0, gpu_pci_id: None, engines: vec![RenderEngine::Cycles], enabled: true },
            scene: inputs_dir.join(scene),
            inputs_dir,
            output_dir: folder("out"),
            scratch_dir: folder("scratch"),
            render: RenderSettings { format: OutputFormat::Png, ..RenderSettings::default() },
            limits: TaskLimits { frame_time_ms: 100_000, memory_bytes: None },
        };
        let engine = BlenderEngine::new(Arc::new(SystemClock), dir.path().join("data"));
        Self { dir, request, engine }
    }

    /// A rig whose program is a Python with `bpy`.
    pub fn of_module(scene: &str) -> Self {
        Self::of_module_too(scene).expect(
            "PICTOR_TEST_BPY_PYTHON names no Python with bpy: `cargo ci setup` makes one with Python 3.11",
        )
    }

    /// The same for tests that try the program in any case; nothing, and said so, where there is none.
    pub fn of_module_too(scene: &str) -> Option<Self> {
        let Some(python) = std::env::var_os("PICTOR_TEST_BPY_PYTHON") else {
            eprintln!("NOT TRIED with the module bpy: PICTOR_TEST_BPY_PYTHON is not set");
            return None;
        };
        let mut rig = Self::new(scene);
        rig.request.software = Software {
            name: "bpy".into(),
            version: "0".into(),
            path: python.to_string_lossy().into_owned(),
            engines: vec![RenderEngine::Cycles],
        };
        Some(rig)
    }

    /// Adds a file beside the scene.
    pub fn with_input(self, name: &str) -> Self {
        std::fs::copy(scenes().join(name), self.request.inputs_dir.join(name)).unwrap();
        self
    }

    pub async fn start(&self) -> Result<Running, EngineFailure> {
        let (sender, events) = mpsc::channel(64);
        let start = self.engine.start(self.request.clone(), sender);
        let session = timeout(PATIENCE, start).await.expect("the scene did not load in time")?;
        Ok(Running { session, events, seen: Vec::new() })
    }

    /// The failure of the load.
    pub async fn fails_to_start(&self) -> EngineFailure {
        self.start().await.err().expect("the scene loaded")
    }

    /// Loads the scene and renders one frame that must fail.
    pub async fn fails_in_frame(&self, frame: i32) -> EngineFailure {
        let mut running = self.start().await.unwrap();
        running.session.render(frame).unwrap();
        let failure = running.until_failed().await;
        running.until_exited().await;
        failure
    }

    /// Renders frames with bare Blender, `-a`, and answers their files.
    pub fn bare(&self, frames: std::ops::RangeInclusive<i32>) -> Vec<PathBuf> {
        let out = self.dir.path().join("bare");
        let pattern = out.join("f_####");
        let output = Command::new(blender())
            .args(["--background", "--factory-startup"])
            .arg(&self.request.scene)
            .args(["-s", &frames.start().to_string(), "-e", &frames.end().to_string(), "-o"])
            .arg(&pattern)
            .arg("-a")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success());
        frames.map(|frame| out.join(format!("f_{frame:04}.png"))).collect()
    }
}

pub struct Running {
    pub session: Box<dyn EngineSession>,
    pub events: mpsc::Receiver<EngineEvent>,
    pub seen: Vec<EngineEvent>,
}

impl Running {
    pub async fn next(&mut self) -> EngineEvent {
        let event =
            timeout(PATIENCE, self.events.recv()).await.expect("no event in time").expect("no more events");
        self.seen.push(event.clone());
        event
    }

    /// Renders one frame; answers its file and its time.
    pub async fn frame(&mut self, frame: i32) -> (PathBuf, u64) {
        self.session.render(frame).unwrap();
        loop {
            match self.next().await {
                EngineEvent::FrameWritten { frame: done, path, render_ms, .. } => {
                    assert_eq!(done, frame);
                    return (path, render_ms);
                }
                EngineEvent::Failed(failure) => panic!("{failure}"),
                EngineEvent::Ready { .. }
                | EngineEvent::Warning { .. }
                | EngineEvent::FrameStarted { .. }
                | EngineEvent::Progress { .. }
                | EngineEvent::Worn { .. }
                | EngineEvent::Log(_) => {}
                EngineEvent::Exited => panic!("it ended"),
            }
        }
    }

    pub async fn until_failed(&mut self) -> EngineFailure {
        loop {
            match self.next().await {
                EngineEvent::Failed(failure) => return failure,
                EngineEvent::FrameWritten { .. } => panic!("the frame was written: {:?}", self.seen),
                _ => {}
            }
        }
    }

    pub async fn until_exited(&mut self) {
        while self.next().await != EngineEvent::Exited {}
    }

    /// Warnings seen so far.
    pub fn warnings(&self) -> Vec<(WarningClass, String)> {
        let warning = |event: &EngineEvent| match event {
            EngineEvent::Warning { class, text } => Some((*class, text.clone())),
            _ => None,
        };
        self.seen.iter().filter_map(warning).collect()
    }

    pub fn logged(&self, what: &str) -> bool {
        self.seen.iter().any(|event| matches!(event, EngineEvent::Log(line) if line.contains(what)))
    }
}

pub fn pixels(path: &Path) -> image::RgbaImage {
    image::open(path).unwrap().to_rgba8()
}

/// The living processes of this rig's Blender, by their scratch folder on the command line.
pub fn processes_of(rig_dir: &Path) -> Vec<u32> {
    let needle = rig_dir.to_string_lossy().into_owned();
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&needle) && pid != std::process::id() {
            pids.push(pid);
        }
    }
    pids
}
