//! Real workers that die, fail and stall at each named place. What they take for Blender has a picture at
//! once, so that a life of a worker takes a second.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use ci::farm::is_alive;
use ci::farm::kept::{self, Rank, stop};

use super::places::WORKER;
use super::times;
use super::trial::{Trial, settings};
use crate::harness::Stage;

/// Speaks as the worker's own script in Blender does.
const PROGRAM: &str = r#"#!/bin/sh
echo '{"say":"hello","version":"3.4.1","denoiser":true}'
while read -r order; do
    case "$order" in
    *'"do":"try_engine"'*) echo '{"say":"tried","why_not":null}' ;;
    *'"do":"load"'*) echo '{"say":"ready","device":"CPU, 1 threads","layers":1}' ;;
    *)
        frame=${order#*\"frame\":}
        frame=${frame%%,*}
        path=${order##*\"path\":\"}
        cp 'PICTURE' "${path%%\"*}"
        echo "{\"say\":\"rendered\",\"frame\":$frame,\"finished\":true,\"memory_peak_bytes\":1}"
        printf '\npictor-mark %s\n' "$frame" >&2
        ;;
    esac
done
"#;

/// From each of these places on the frame that was there is on the disk for good.
const KEPT: &[&str] = &["spool.forgotten", "spool.kept", "spool.removed", "upload.sending", "upload.sent"];

/// A cloud, and one worker that is started again and again.
struct Rig {
    trial: Trial,
    folder: PathBuf,
    scene: PathBuf,
    /// Scenes so far.
    scenes: u32,
}

/// A life of the worker.
struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        stop(&mut self.0);
    }
}

impl Life {
    fn is_over(&self) -> bool {
        !is_alive(self.0.id())
    }
}

impl Rig {
    fn begin() -> Self {
        let trial = Trial::without_workers(Stage::with(settings()));
        let farm = &trial.stage.farm;
        let folder = trial.stage.folder.path().join("rig");
        let file = farm.configuration("rig", farm.url()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let program = program(trial.stage.folder.path());
        let found = format!("blender = [{program:?}]\nfind_blender = false\n");
        std::fs::write(folder.join("settings.toml"), found).unwrap();
        let mut import = farm.programs().command("pictor-worker");
        let imported = import.arg("import").arg(&file).arg("--data").arg(&folder).output().unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let scene = trial.stage.scene("second", 6);
        Self { trial, folder, scene, scenes: 0 }
    }

    /// The worker starts, and this happens to it.
    fn start(&self, faults: &str) -> Life {
        let mut run = self.trial.stage.farm.programs().command("pictor-worker");
        let log = self.trial.stage.folder.path().join("rig.log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        run.arg("run").arg("--data").arg(&self.folder);
        run.env("PICTOR_FAULTS", faults).env("PICTOR_FAULTS_SEEN", self.trial.seen_file());
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Life(kept::start(run, Rank::Worker).unwrap())
    }

    /// A job whose scene the worker does not have yet.
    fn submit(&mut self) -> String {
        self.scenes += 1;
        let file = self.trial.stage.folder.path().join(format!("scene-{}.blend", self.scenes));
        std::fs::copy(&self.scene, &file).unwrap();
        let mut longer = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
        write!(longer, "{}", self.scenes).unwrap();
        let job = self.trial.stage.farm.submit(&file, &["--frames", "1-6", "--chunk", "3"]).unwrap();
        self.trial.jobs.push(job.clone());
        job
    }

    /// A life of the worker that ends at this place.
    fn live_until_dead(&self, place: &str) {
        let life = self.start(&format!("{place}=abort"));
        let is_over = |_: &ci::farm::Farm| Ok(life.is_over().then_some(()));
        self.trial.stage.farm.wait_for(&format!("the worker to die at {place}"), is_over).unwrap();
        assert!(self.has_seen(place), "{place}: it died elsewhere");
    }

    fn has_seen(&self, place: &str) -> bool {
        self.trial.seen().iter().any(|seen| seen == place)
    }

    /// Every job is completed by a worker to which nothing happens, which keeps nothing back.
    fn all_ends_well(mut self) {
        let life = self.start("");
        self.trial.all_ends_well();
        for (job, state) in self.trial.states() {
            assert_eq!(state, "completed", "{job}");
        }
        let spool = self.folder.join("spool");
        let kept = || std::fs::read_dir(&spool).map_or(0, Iterator::count);
        let is_empty = |_: &ci::farm::Farm| Ok((kept() == 0).then_some(()));
        self.trial.stage.farm.wait_for("everything to be delivered", is_empty).unwrap();
        drop(life);
    }
}

fn program(folder: &Path) -> PathBuf {
    let (path, picture) = (folder.join("blender"), folder.join("picture.png"));
    image::RgbaImage::new(64, 36).save(&picture).unwrap();
    std::fs::write(&path, PROGRAM.replace("PICTURE", &picture.to_string_lossy())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
pub fn a_worker_dies_at_every_place_and_nothing_is_lost() {
    let mut rig = Rig::begin();
    for _ in 0..times(1, 20) {
        for place in WORKER {
            rig.submit();
            rig.live_until_dead(place);
        }
        rig.trial.audit();
    }
    rig.all_ends_well();
}

#[test]
pub fn a_frame_that_was_kept_when_its_worker_died_is_not_rendered_again() {
    let mut rig = Rig::begin();
    for place in KEPT {
        let job = rig.submit();
        rig.live_until_dead(place);
        let _life = rig.start("");
        rig.trial.stage.farm.wait_job(&job, "completed").unwrap();
        let counts = rig.trial.stage.farm.frame_counts(&job).unwrap();
        assert_eq!((counts.len(), counts[&1]), (6, 1), "it died at {place} with the first one: {counts:?}");
    }
    rig.all_ends_well();
}

/// The same happens once at each place, so many places in a life, and the jobs of that life are completed.
fn each_place_once(act: &str, places_of_a_life: usize) {
    let mut rig = Rig::begin();
    for places in WORKER.chunks(places_of_a_life) {
        let faults: Vec<_> = places.iter().map(|place| format!("{place}={act}")).collect();
        let life = rig.start(&faults.join(","));
        let job = rig.submit();
        rig.trial.stage.farm.wait_job(&job, "completed").unwrap();
        assert!(!life.is_over(), "{act} at {places:?} ended the worker");
    }
    let missed: Vec<_> = WORKER.iter().filter(|place| !rig.has_seen(place)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
    rig.all_ends_well();
}

#[test]
pub fn a_worker_that_fails_at_every_place_loses_nothing() {
    // Three failures in a row, and it would be rested.
    (0..times(1, 20)).for_each(|_| each_place_once("error", 2));
}

#[test]
pub fn a_worker_that_stalls_at_every_place_loses_nothing() {
    (0..times(1, 20)).for_each(|_| each_place_once("delay:1500", WORKER.len()));
}
