//! A slot with a GPU renders on that GPU or says why not. There is no GPU here: what a driver would choose is
//! tried against a pretended Blender, and that a real one refuses a pretended GPU.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use pictor_actors::protocol::assignment::RenderEngine;
use pictor_worker::engines::EngineEvent;
use pictor_worker::engines::blender::command::{BPY, Launch, command};
use pictor_worker::platform::ProcessLimits;

use super::support::{Rig, blender};

fn ours(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn exactly_the_slots_gpu_is_chosen_and_all_else_is_refused() {
    let output = Command::new(blender())
        .args(["--background", "--factory-startup", "--python-exit-code", "3", "--python"])
        .arg(ours("tests/blender/devices.py"))
        .arg("--")
        .arg(ours("src/engines/blender/driver"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("as they should"), "{said}");
}

/// What the driver answers to the order to load a scene on a GPU that nobody has.
fn answers(rig: &Rig) -> Vec<String> {
    let launch = Launch {
        program: rig.request.software.path.clone().into(),
        is_module: rig.request.software.name == BPY,
        scratch_dir: rig.request.scratch_dir.clone(),
        kernel_cache_dir: rig.request.scratch_dir.clone(),
        gpu_uuid: Some("GPU-00000000-0000-0000-0000-000000000000".into()),
        limits: ProcessLimits::default(),
    };
    let mut child = command(&launch).unwrap().into_std().spawn().unwrap();
    let order = format!(
        r#"{{"do":"load","scene_path":{:?},"inputs_dir":{:?},"scene":null,"camera":null,"engine":null,
            "engines":["cycles"],"resolution":null,"samples":null,"format":"PNG","gpu":"00000000:41:00.0"}}"#,
        rig.request.scene, rig.request.inputs_dir
    );
    writeln!(child.stdin.take().unwrap(), "{}", order.replace('\n', "")).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().filter(|line| line.starts_with("{\"say\":")).map(str::to_owned).collect()
}

#[test]
fn a_real_blender_refuses_a_gpu_that_it_does_not_have() {
    let mut rigs = vec![Rig::new("wants_gpu.blend"), Rig::new("moving.blend")];
    rigs.extend(Rig::of_module_too("moving.blend"));
    for rig in rigs {
        let answers = answers(&rig);
        let last = answers.last().unwrap();
        assert!(last.contains(r#""say": "failed", "kind": "engine_not_available""#), "{answers:?}");
        assert!(last.contains("does not offer the GPU 00000000:41:00.0"), "{answers:?}");
        assert!(!answers.iter().any(|answer| answer.contains("ready")), "{answers:?}");
    }
}

#[tokio::test]
async fn a_cpu_slot_says_that_it_is_the_cpu() {
    let mut rigs = vec![Rig::new("wants_gpu.blend")];
    rigs.extend(Rig::of_module_too("wants_gpu.blend"));
    let threads = std::thread::available_parallelism().unwrap();
    for rig in rigs {
        assert_eq!(rig.request.slot.engines, [RenderEngine::Cycles]);
        let mut running = rig.start().await.unwrap();
        running.frame(1).await;
        let device = running.seen.iter().find_map(|event| match event {
            EngineEvent::Ready { device, .. } => Some(device.clone()),
            _ => None,
        });
        assert_eq!(device, Some(format!("CPU, {threads} threads")));
    }
}
