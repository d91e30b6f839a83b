//! Finds Blender and `bpy`, and proves each by starting it, once per engine. Answers are remembered by path
//! and time of change, since each proof costs seconds; a program whose engines were tried only in part is
//! remembered as just that.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, UNIX_EPOCH};

use pictor_actors::protocol::Software;
use pictor_actors::protocol::assignment::RenderEngine;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

use super::search::{Candidate, candidates};
use crate::durable::{self, Secrecy};
use crate::engines::blender::command::BPY;
use crate::engines::blender::probe::{Tried, Untold, try_engine};

/// Changes when a probe would answer otherwise than before.
const PROBE_VERSION: u32 = 2;
/// The engines in the order in which they are tried, the surest first.
const ENGINES: [RenderEngine; 3] = [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench];

/// Work comes within this after the first engine was found, if there is some.
const WORK_COMES_WITHIN: Duration = Duration::from_secs(2);
/// Probes stand back in this time from the begin of the search on: a machine that is never idle shall know of
/// all its engines too.
const GIVES_WAY_FOR: Duration = Duration::from_secs(300);

/// Where to look, and where answers are remembered.
#[derive(Debug, Clone, Default)]
pub struct SoftwareSearch {
    /// Programs, Python interpreters or folders of either that the owner named.
    pub configured: Vec<PathBuf>,
    /// Look in the PATH and the usual places too.
    pub look_around: bool,
    /// Folder for remembered answers; nothing: probe anew.
    pub cache_dir: Option<PathBuf>,
    /// Folder for what probes write, which its owner clears after a crash; nothing: the system's own.
    pub scratch_dir: Option<PathBuf>,
    /// True while the machine works on tasks, to which probes give way; nothing: they go first.
    pub busy: Option<watch::Receiver<bool>>,
}

/// A program that was found and started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSoftware {
    /// What is told to the cloud.
    pub software: Software,
    /// It has a denoiser (Debian's build has none).
    pub has_denoiser: bool,
    /// Why an engine is missing or the program cannot be used, in words.
    pub notes: Vec<String>,
}

impl FoundSoftware {
    /// Whether an engine of it is known to run here.
    #[must_use]
    pub fn renders(&self) -> bool {
        !self.software.engines.is_empty()
    }
}

/// Every usable Blender and `bpy`, newest version first; each probe is time-limited, so it always ends.
pub async fn find_software(search: &SoftwareSearch) -> Vec<FoundSoftware> {
    look_for_software(search, |_| {}).await
}

/// The same; `tell` hears of each change at once, beginning with what is remembered.
///
/// The surest engine is tried on every program before the next one is, so that a worker has something to
/// render with after the first seconds. Probes run one after the other: each takes whole processors, and this
/// happens once per installed program. As soon as something renders, they give way to tasks, for a while:
/// what nobody has asked for yet shall not slow down frames. Dropping the future ends the probe that runs;
/// what was told until then is remembered, and the next search goes on from there.
pub async fn look_for_software(
    search: &SoftwareSearch,
    mut tell: impl FnMut(&[FoundSoftware]),
) -> Vec<FoundSoftware> {
    let cache_dir = search.cache_dir.as_deref();
    let candidates = candidates(&search.configured, search.look_around);
    let mut looked: Vec<Looked> = candidates.into_iter().map(|one| Looked::recall(one, cache_dir)).collect();
    let mut told = found_of(&looked);
    if !told.is_empty() {
        tell(&told);
    }
    let scratch_dir = search.scratch_dir.clone().unwrap_or_else(env::temp_dir);
    let mut way = search.busy.clone().map(GiveWay::new);
    for engine in ENGINES {
        for at in 0..looked.len() {
            if !looked[at].is_open(engine) {
                continue;
            }
            if let Some(way) = way.as_mut().filter(|_| told.iter().any(FoundSoftware::renders)) {
                way.give().await;
            }
            looked[at].ask(engine, &scratch_dir, &mut way).await;
            let found = found_of(&looked);
            if found != told {
                tell(&found);
                told = found;
            }
        }
    }
    told
}

fn found_of(looked: &[Looked]) -> Vec<FoundSoftware> {
    let mut found: Vec<_> = looked.iter().filter_map(Looked::found).collect();
    found.sort_by(|a, b| {
        let by_version = version_key(&b.software.version).cmp(&version_key(&a.software.version));
        by_version.then_with(|| a.software.path.cmp(&b.software.path))
    });
    found
}

/// Probes stand back while the machine works on tasks.
struct GiveWay {
    busy: watch::Receiver<bool>,
    patience: Pin<Box<Sleep>>,
    is_first: bool,
}

impl GiveWay {
    fn new(busy: watch::Receiver<bool>) -> Self {
        Self { busy, patience: Box::pin(sleep(GIVES_WAY_FOR)), is_first: true }
    }

    /// Returns when the machine is idle, or at once where probes have stood back for long enough.
    async fn give(&mut self) {
        if self.is_first {
            // The cloud has just heard that there is something to render with.
            let _ = timeout(WORK_COMES_WITHIN, self.busy.wait_for(|is_busy| *is_busy)).await;
            self.is_first = false;
        }
        if !self.patience.is_elapsed() {
            tokio::select! {
                _ = self.busy.wait_for(|is_busy| !*is_busy) => {}
                () = &mut self.patience => {}
            }
        }
    }

    /// Forgets what was until now.
    fn mark(&mut self) {
        self.busy.mark_unchanged();
    }

    /// Whether there was work since the mark.
    fn was_busy(&self) -> bool {
        *self.busy.borrow() || self.busy.has_changed().unwrap_or(false)
    }
}

/// A candidate with all that is known of it.
struct Looked {
    candidate: Candidate,
    changed_at: Option<u128>,
    note: Option<PathBuf>,
    told: Option<Told>,
    /// It did not answer: perhaps the machine is busy. Asked again at the next search.
    is_silent: bool,
}

/// What a program told of itself so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Told {
    /// It is no 3D software.
    Other,
    /// It is.
    Renders {
        version: String,
        has_denoiser: bool,
        /// Why an engine does not run; nothing: it does. An engine that is not in it was not tried yet.
        engines: BTreeMap<RenderEngine, Option<String>>,
    },
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    probe_version: u32,
    changed_at: u128,
    told: Told,
}

impl Looked {
    fn recall(candidate: Candidate, cache_dir: Option<&Path>) -> Self {
        let changed_at = changed_at(&candidate.program);
        let note = cache_dir.map(|folder| folder.join(note_name(&candidate.program)));
        let told = note.as_deref().zip(changed_at).and_then(|(note, changed_at)| recall(note, changed_at));
        Self { candidate, changed_at, note, told, is_silent: false }
    }

    /// Whether this engine is worth a try.
    fn is_open(&self, engine: RenderEngine) -> bool {
        match &self.told {
            _ if self.is_silent => false,
            None => true,
            Some(Told::Other) => false,
            Some(Told::Renders { engines, .. }) => !engines.contains_key(&engine),
        }
    }

    async fn ask(&mut self, engine: RenderEngine, scratch_dir: &Path, way: &mut Option<GiveWay>) {
        way.iter_mut().for_each(GiveWay::mark);
        let Candidate { program, is_python } = &self.candidate;
        let mut tried = try_engine(program, *is_python, engine, scratch_dir).await;
        if tried.as_ref().is_ok_and(|tried| tried.is_too_slow) && way.iter().any(GiveWay::was_busy) {
            tried = Err(Untold::NoAnswer); // tasks slowed it down
        }
        match (tried, &mut self.told) {
            (Ok(tried), Some(Told::Renders { engines, .. })) => {
                engines.insert(engine, tried.why_not);
            }
            (Ok(Tried { version, has_denoiser, why_not, .. }), None | Some(Told::Other)) => {
                let engines = BTreeMap::from([(engine, why_not)]);
                self.told = Some(Told::Renders { version, has_denoiser, engines });
            }
            (Err(Untold::NotBlender), None) => self.told = Some(Told::Other),
            (Err(_), _) => {
                self.is_silent = true;
                return;
            }
        }
        self.remember();
    }

    fn found(&self) -> Option<FoundSoftware> {
        let Some(Told::Renders { version, has_denoiser, engines }) = &self.told else { return None };
        let software = Software {
            name: if self.candidate.is_python { BPY } else { "Blender" }.to_owned(),
            version: version.clone(),
            path: self.candidate.program.to_string_lossy().into_owned(),
            engines: engines.iter().filter(|(_, why)| why.is_none()).map(|(engine, _)| *engine).collect(),
        };
        let why_not = |(engine, why): (&RenderEngine, &Option<String>)| {
            why.as_ref().map(|why| format!("{engine:?} does not run here: {why}"))
        };
        let mut notes: Vec<_> = engines.iter().filter_map(why_not).collect();
        if !has_denoiser {
            notes.push("this build has no denoiser: scenes are rendered without".to_owned());
        }
        if self.is_silent {
            notes.push("it did not answer at one of its probes: it is asked again at the next start".into());
        }
        Some(FoundSoftware { software, has_denoiser: *has_denoiser, notes })
    }

    fn remember(&self) {
        let (Some(note), Some(changed_at), Some(told)) = (&self.note, self.changed_at, &self.told) else {
            return;
        };
        let remembered = Remembered { probe_version: PROBE_VERSION, changed_at, told: told.clone() };
        let write = || -> io::Result<()> {
            if let Some(folder) = note.parent() {
                fs::create_dir_all(folder)?;
            }
            durable::replace(note, &serde_json::to_vec(&remembered)?, Secrecy::Plain)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "an answer about installed software could not be remembered");
        }
    }
}

fn recall(note: &Path, changed_at: u128) -> Option<Told> {
    let remembered: Remembered = serde_json::from_slice(&fs::read(note).ok()?).ok()?;
    let is_current = remembered.probe_version == PROBE_VERSION && remembered.changed_at == changed_at;
    is_current.then_some(remembered.told)
}

fn note_name(program: &Path) -> String {
    let hash = blake3::hash(program.as_os_str().as_encoded_bytes()).to_hex();
    format!("software-{}.json", &hash[..16])
}

/// Of the program, or of the folder `bpy` was installed into, which changes with it.
fn changed_at(program: &Path) -> Option<u128> {
    let of = |path: &Path| {
        let time = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
        time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_nanos())
    };
    let environment = program.parent().and_then(Path::parent).map(|root| root.join("lib"));
    let packages = environment.and_then(|lib| fs::read_dir(lib).ok()).into_iter().flatten().flatten();
    let newest = packages.filter_map(|entry| of(&entry.path().join("site-packages"))).max();
    of(program).max(newest)
}

fn version_key(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
