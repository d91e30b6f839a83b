//! One program with all that is known of it, remembered by its path and time of change. One that was tried
//! only in part is remembered as just that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use pictor_actors::protocol::Software;
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::{Millis, UnixMillis};
use serde::{Deserialize, Serialize};

use super::outcome::{Note, Outcome};
use super::{CyclesOn, Devices, ENGINES, FoundSoftware, GiveWay, Trial, trials};
use crate::durable::{self, Secrecy};
use crate::engines::blender::command::BPY;
use crate::engines::blender::probe::{TryOut, Untold, try_engine};
use crate::machine::search::Candidate;

/// Changes when a probe would answer otherwise than before.
const PROBE_VERSION: u32 = 3;

/// A candidate with all that is known of it.
pub(super) struct Looked {
    candidate: Candidate,
    devices: Devices,
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
    Renders(Answers),
}

/// What is missing was not tried yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answers {
    version: String,
    has_denoiser: bool,
    /// Cycles on the processor, the others on what graphics they take.
    engines: BTreeMap<RenderEngine, Outcome>,
    /// Cycles, by kind of GPU.
    gpus: BTreeMap<String, Outcome>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    probe_version: u32,
    changed_at: u128,
    told: Told,
}

impl Answers {
    fn get(&self, trial: &Trial) -> Option<&Outcome> {
        match &trial.gpu {
            Some((kind, _)) => self.gpus.get(kind),
            None => self.engines.get(&trial.engine),
        }
    }

    fn put(&mut self, trial: &Trial, outcome: Outcome) {
        match &trial.gpu {
            Some((kind, _)) => drop(self.gpus.insert(kind.clone(), outcome)),
            None => drop(self.engines.insert(trial.engine, outcome)),
        }
    }
}

impl Looked {
    pub(super) fn recall(candidate: Candidate, devices: &Devices, cache_dir: Option<&Path>) -> Self {
        let changed_at = changed_at(&candidate.program);
        let note = cache_dir.map(|folder| folder.join(note_name(&candidate.program)));
        let told = note.as_deref().zip(changed_at).and_then(|(note, changed_at)| recall(note, changed_at));
        Self { candidate, devices: devices.clone(), changed_at, note, told, is_silent: false }
    }

    /// Whether this is worth a try.
    pub(super) fn is_open(&self, trial: &Trial, now: UnixMillis) -> bool {
        match &self.told {
            _ if self.is_silent => false,
            None => true,
            Some(Told::Other) => false,
            Some(Told::Renders(answers)) => {
                answers.get(trial).is_none_or(|outcome| outcome.again_after(now) == Some(Millis(0)))
            }
        }
    }

    /// When one of its tries is worth another one.
    pub(super) fn again_after(&self, now: UnixMillis) -> Option<Millis> {
        self.outcomes().filter_map(|(_, outcome)| outcome.again_after(now)).min()
    }

    pub(super) async fn ask(
        &mut self,
        trial: &Trial,
        out: TryOut<'_>,
        now: UnixMillis,
        way: &mut Option<GiveWay>,
    ) {
        way.iter_mut().for_each(GiveWay::mark);
        let Candidate { program, is_python } = &self.candidate;
        let mut tried = try_engine(program, *is_python, out).await;
        if tried.as_ref().is_ok_and(|tried| tried.is_too_slow) && way.iter().any(GiveWay::was_busy) {
            tried = Err(Untold::NoAnswer); // tasks slowed it down
        }
        match (tried, &self.told) {
            (Ok(tried), _) => {
                let mut answers = match self.told.take() {
                    Some(Told::Renders(answers)) => answers,
                    Some(Told::Other) | None => Answers {
                        version: tried.version,
                        has_denoiser: tried.has_denoiser,
                        engines: BTreeMap::new(),
                        gpus: BTreeMap::new(),
                    },
                };
                let outcome = Outcome::of(tried.why_not, tried.is_too_slow, answers.get(trial), now);
                answers.put(trial, outcome);
                self.told = Some(Told::Renders(answers));
            }
            (Err(Untold::NotBlender), None) => self.told = Some(Told::Other),
            (Err(_), _) => {
                self.is_silent = true;
                return;
            }
        }
        self.remember();
    }

    /// What is known of this machine's devices; answers about others are kept for when they come back.
    fn outcomes(&self) -> impl Iterator<Item = (Trial, &Outcome)> {
        let answers = match &self.told {
            Some(Told::Renders(answers)) => Some(answers),
            Some(Told::Other) | None => None,
        };
        let all = ENGINES.into_iter().flat_map(|engine| trials(engine, &self.devices));
        all.filter_map(move |trial| answers?.get(&trial).map(|outcome| (trial, outcome)))
    }

    pub(super) fn found(&self) -> Option<FoundSoftware> {
        let Some(Told::Renders(Answers { version, has_denoiser, .. })) = &self.told else { return None };
        let mut engines = Vec::new();
        let (mut gpus, mut processor) = (BTreeSet::new(), false);
        let mut notes = Vec::new();
        for (Trial { engine, gpu }, outcome) in self.outcomes() {
            let kind = gpu.map(|(kind, _)| kind);
            notes.extend(Note::of_engine(engine, kind.as_deref(), outcome));
            if *outcome != Outcome::Runs {
                continue;
            }
            if !engines.contains(&engine) {
                engines.push(engine);
            }
            processor |= engine == RenderEngine::Cycles && kind.is_none();
            gpus.extend(kind);
        }
        if !has_denoiser {
            notes.push(Note::no_denoiser());
        }
        if self.is_silent {
            notes.push(Note::silent());
        }
        let software = Software {
            name: if self.candidate.is_python { BPY } else { "Blender" }.to_owned(),
            version: version.clone(),
            path: self.candidate.program.to_string_lossy().into_owned(),
            engines,
        };
        let cycles_on = CyclesOn::These { processor, gpus };
        Some(FoundSoftware { software, has_denoiser: *has_denoiser, notes, cycles_on })
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

#[cfg(test)]
mod tests {
    use pictor_actors::protocol::GpuFacts;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn gpu(model: &str) -> Trial {
        let kind = (model.to_owned(), GpuFacts { model: model.into(), ..GpuFacts::default() });
        Trial { engine: RenderEngine::Cycles, gpu: Some(kind) }
    }

    fn plain(engine: RenderEngine) -> Trial {
        Trial { engine, gpu: None }
    }

    /// A program on a machine with one GPU and a slot for its processor, of which this is known.
    fn looked(cache_dir: &Path, engines: &[(RenderEngine, Outcome)], gpus: &[(&str, Outcome)]) -> Looked {
        let candidate = Candidate { program: "/bin/true".into(), is_python: false };
        let devices = Devices { gpus: gpu("A").gpu.into_iter().collect(), has_processor: true };
        let mut looked = Looked::recall(candidate.clone(), &devices, Some(cache_dir));
        looked.told = Some(Told::Renders(Answers {
            version: "4.5.0".into(),
            has_denoiser: true,
            engines: engines.iter().cloned().collect(),
            gpus: gpus.iter().map(|(kind, outcome)| ((*kind).to_owned(), outcome.clone())).collect(),
        }));
        looked.remember();
        Looked::recall(candidate, &devices, Some(cache_dir))
    }

    #[test]
    fn a_time_out_is_remembered_for_a_while_only() {
        let dir = tempfile::tempdir().unwrap();
        let slow = Outcome::of(Some("no picture in 60 s".into()), true, None, NOW);
        let wait = slow.again_after(NOW).unwrap();
        let looked = looked(
            dir.path(),
            &[(RenderEngine::Cycles, Outcome::Runs), (RenderEngine::Eevee, slow)],
            &[("A", Outcome::Runs)],
        );
        let eevee = plain(RenderEngine::Eevee);
        assert!(!looked.is_open(&eevee, NOW));
        assert!(looked.is_open(&eevee, NOW.plus(wait)));
        assert_eq!(looked.again_after(NOW), Some(wait));
        assert!(looked.is_open(&plain(RenderEngine::Workbench), NOW), "it was never tried");
        assert!(!looked.is_open(&plain(RenderEngine::Cycles), NOW.plus(wait)), "it is known to run");
    }

    #[test]
    fn each_kind_of_gpu_has_an_answer_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let not = Outcome::RunsNot { why: "no kernels".into() };
        let runs = [(RenderEngine::Cycles, Outcome::Runs)];
        let known = looked(dir.path(), &runs, &[("A", not.clone()), ("B", Outcome::Runs)]);
        assert!(!known.is_open(&gpu("A"), NOW) && known.is_open(&gpu("C"), NOW));
        let found = known.found().unwrap();
        assert_eq!(found.software.engines, [RenderEngine::Cycles]);
        let on = CyclesOn::These { processor: true, gpus: BTreeSet::new() };
        assert_eq!(found.cycles_on, on, "B was taken out of the machine");
        assert!(found.notes[0].lack.contains("on A: no kernels"), "{:?}", found.notes);

        let broken = [(RenderEngine::Cycles, not.clone())];
        let found = looked(dir.path(), &broken, &[("A", not)]).found().unwrap();
        assert_eq!((found.renders(), found.notes.len()), (false, 2));
    }
}
