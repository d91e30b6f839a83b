//! `doctor`: looks at all that a worker needs, and says beside each fault what to do.
//!
//! It asks the machine itself, not the running worker, so that it helps where no worker starts; only how the
//! cloud sees the worker is the running one's to say (`cloud`).

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::MachineFacts;
use serde::Serialize;

use super::{Exit, say};
use crate::config::{Content, DataDir, Settings};
use crate::engines::blender::kernel_cache_dir;
use crate::machine::search::{Candidate, candidates};
use crate::machine::{Devices, FoundSoftware, SlotPolicy, SoftwareSearch, find_software, this_machine};

mod cloud;

const INSTALL: &str = "install Blender 3.4 or later, or name one under `blender` in settings.toml";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    /// Works, with less.
    Lacking,
    Bad,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; nothing where it is good.
    fix: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, found: found.into(), fix: None }
    }

    fn fault(name: &'static str, verdict: Verdict, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict, found: found.into(), fix: Some(fix.into()) }
    }

    fn line(&self) -> String {
        let sign = match self.verdict {
            Verdict::Good => "ok ",
            Verdict::Lacking => "?? ",
            Verdict::Bad => "!! ",
        };
        let fix = self.fix.as_ref().map(|fix| format!("\n        -> {fix}")).unwrap_or_default();
        format!("{sign} {}: {}{fix}", self.name, self.found)
    }
}

pub(super) async fn doctor(data: &DataDir, json: bool) -> Exit {
    let mut checks = Vec::new();
    all(data, |check| {
        if !json {
            say::line(&check.line());
        }
        checks.push(check);
    })
    .await;
    if json {
        match serde_json::to_string_pretty(&checks) {
            Ok(text) => say::line(&text),
            Err(error) => return say::fault(Exit::Failed, &error.to_string()),
        }
    }
    if checks.iter().any(|check| check.verdict == Verdict::Bad) { Exit::Failed } else { Exit::Done }
}

/// Tells each check as it comes: the last ones take their time.
async fn all(data: &DataDir, mut tell: impl FnMut(Check)) {
    let (settings, mut checks) = match Settings::load(data) {
        Ok(settings) => (settings, vec![Check::good("settings", "read")]),
        Err(error) => {
            let fix = "correct the file, or remove it to have the defaults";
            let check = Check::fault("settings", Verdict::Bad, error.to_string(), fix);
            (Settings::default(), vec![check])
        }
    };
    let mut machine = this_machine(data.root(), SlotPolicy { cpu_beside_gpus: settings.allow_cpu });
    let facts = machine.facts();
    checks.push(folder(data));
    checks.push(disk(machine.disk_free_bytes(), settings.disk_free_bytes_min));
    checks.push(gpus(&facts));
    let is_ours = data.content().is_ok_and(|content| content == Content::Worker);
    let search = SoftwareSearch {
        configured: settings.blender.clone(),
        look_around: settings.find_blender,
        cache_dir: is_ours.then(|| data.probes()),
        scratch_dir: None,
        busy: None,
        devices: Devices::of(&facts, &machine.slot_policy().slots(&facts)),
        kernel_cache_dir: is_ours.then(|| kernel_cache_dir(data.root())),
        now: SystemClock.now().wall,
    };
    for check in checks.drain(..).chain(cloud::checks(data).await) {
        tell(check);
    }
    say::aside("starting each 3D program with each engine to see what it renders; this can take minutes");
    let found = find_software(&search).await;
    let tried = candidates(&search.configured, search.look_around);
    software(&found, &tried, search.look_around).into_iter().for_each(tell);
}

fn folder(data: &DataDir) -> Check {
    let at = data.root().display().to_string();
    let trial = data.root().join(".doctor");
    let written = data.content().and_then(|content| match content {
        Content::Worker => std::fs::write(&trial, b"x").and_then(|()| std::fs::remove_file(&trial)),
        Content::Nothing | Content::Foreign => Ok(()),
    });
    match written {
        Ok(()) if data.content().is_ok_and(|content| content == Content::Foreign) => {
            let fix = "name a new or an empty folder with --data";
            Check::fault("data folder", Verdict::Bad, format!("{at} holds other things"), fix)
        }
        Ok(()) if !data.root().exists() => Check::good("data folder", format!("{at} will be made")),
        Ok(()) => Check::good("data folder", at),
        Err(error) => {
            let fix = "give this account the right to write there, or name another folder with --data";
            Check::fault("data folder", Verdict::Bad, format!("{at} cannot be written: {error}"), fix)
        }
    }
}

fn disk(free: Option<u64>, least: u64) -> Check {
    let Some(free) = free else {
        let fix = "make sure that the data folder lies on a local disk";
        return Check::fault("disk", Verdict::Lacking, "free space is unknown", fix);
    };
    let found = format!("{} MiB free", free >> 20);
    if free >= least {
        return Check::good("disk", found);
    }
    let fix = format!("free {} MiB, or lower disk_free_bytes_min in settings.toml", (least - free) >> 20);
    Check::fault("disk", Verdict::Bad, format!("{found}: the worker takes no new work"), fix)
}

fn gpus(facts: &MachineFacts) -> Check {
    if let Some(why_not) = &facts.no_gpu_because {
        let fix = "install NVIDIA's driver if the machine has such a GPU; without one it renders on its CPU";
        return Check::fault("GPU", Verdict::Lacking, why_not.clone(), fix);
    }
    let driver = facts.nvidia_driver.as_deref().unwrap_or("unknown");
    let named: Vec<_> = facts.gpus.iter().map(|gpu| format!("{} at {}", gpu.model, gpu.pci_id)).collect();
    Check::good("GPU", format!("{} (driver {driver})", named.join(", ")))
}

fn software(found: &[FoundSoftware], tried: &[Candidate], look_around: bool) -> Vec<Check> {
    if !found.is_empty() {
        return found.iter().map(one_software).collect();
    }
    let tried: Vec<_> = tried.iter().map(|one| one.program.display().to_string()).collect();
    let (none, fix) = match (tried.is_empty(), look_around) {
        (false, _) => (format!("none of these is a Blender that starts: {}", tried.join(", ")), INSTALL),
        (true, true) => {
            ("no Blender in the PATH, in the usual places or in settings.toml".to_owned(), INSTALL)
        }
        (true, false) => (
            "settings.toml names none, and find_blender = false forbids to look for one".to_owned(),
            "name one under `blender` in settings.toml, or remove find_blender",
        ),
    };
    vec![Check::fault("3D software", Verdict::Bad, none, fix)]
}

fn one_software(found: &FoundSoftware) -> Check {
    let software = &found.software;
    let engines: Vec<_> = software.engines.iter().map(|engine| format!("{engine:?}")).collect();
    let what = format!("{} {} at {}", software.name, software.version, software.path);
    let lacks: Vec<_> = found.notes.iter().map(|note| note.lack.as_str()).collect();
    let mut advice: Vec<_> = found.notes.iter().map(|note| note.advice).collect();
    advice.dedup();
    let advice = if advice.is_empty() { INSTALL.to_owned() } else { advice.join("; ") };
    if engines.is_empty() {
        let what = format!("{what} renders nothing here ({})", lacks.join("; "));
        return Check::fault("3D software", Verdict::Bad, what, advice);
    }
    let what = format!("{what} renders with {}", engines.join(", "));
    if lacks.is_empty() {
        Check::good("3D software", what)
    } else {
        Check::fault("3D software", Verdict::Lacking, format!("{what} ({})", lacks.join("; ")), advice)
    }
}

#[cfg(test)]
mod tests {
    use pictor_actors::protocol::Software;
    use pictor_actors::protocol::assignment::RenderEngine;

    use super::*;
    use crate::machine::CyclesOn;
    use crate::machine::software::Note;

    #[test]
    fn each_fault_says_what_to_do() {
        let full = disk(Some(10 << 20), 2 << 30);
        assert_eq!(full.verdict, Verdict::Bad);
        assert!(full.fix.is_some_and(|fix| fix.contains("2038 MiB")));
        assert_eq!(disk(Some(3 << 30), 2 << 30).verdict, Verdict::Good);
        assert_eq!(disk(None, 0).verdict, Verdict::Lacking);
        let tried = Candidate { program: "/opt/blender/blender".into(), is_python: false };
        for (tried, look_around, words) in [
            (vec![tried], true, "/opt/blender/blender"),
            (Vec::new(), true, "the PATH"),
            (Vec::new(), false, "find_blender"),
        ] {
            let none = &software(&[], &tried, look_around)[0];
            assert_eq!(none.verdict, Verdict::Bad);
            assert!(none.line().contains(words), "{}", none.line());
        }
        let none = MachineFacts { no_gpu_because: Some("no driver".into()), ..MachineFacts::default() };
        assert_eq!(gpus(&none).verdict, Verdict::Lacking);
        assert!(gpus(&none).line().contains("->"));
    }

    #[test]
    fn what_a_program_lacks_is_told_with_what_to_do() {
        let found = |engines: &[RenderEngine], notes: Vec<Note>| {
            let software = Software {
                name: "Blender".into(),
                version: "4.5.0".into(),
                path: "/opt/blender".into(),
                engines: engines.into(),
            };
            FoundSoftware { software, has_denoiser: true, notes, cycles_on: CyclesOn::Everything }
        };
        let note = || Note { lack: "Eevee does not run here: no display".into(), advice: "install EGL" };
        let lacking = one_software(&found(&[RenderEngine::Cycles], vec![note()]));
        assert_eq!((lacking.verdict, lacking.fix.as_deref()), (Verdict::Lacking, Some("install EGL")));
        assert!(lacking.found.contains("no display"));
        // Nothing runs and nothing says why: there is an advice all the same.
        for notes in [Vec::new(), vec![note()]] {
            let nothing = one_software(&found(&[], notes));
            assert_eq!(nothing.verdict, Verdict::Bad);
            assert!(nothing.fix.is_some_and(|fix| !fix.is_empty()), "{}", nothing.found);
        }
        assert_eq!(one_software(&found(&[RenderEngine::Cycles], Vec::new())).fix, None);
    }
}
