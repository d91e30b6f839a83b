//! Installed software is found and proved by starting it.

use std::path::PathBuf;

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::protocol::{GpuFacts, MachineFacts};
use pictor_worker::machine::{Devices, SlotPolicy, SoftwareSearch, find_software};

use super::support::blender;

#[tokio::test]
async fn blender_is_found_proved_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let impostor = dir.path().join("blender");
    std::fs::copy("/bin/true", &impostor).unwrap();
    let search = SoftwareSearch {
        configured: vec![blender(), impostor, PathBuf::from("/nowhere/blender")],
        look_around: false,
        cache_dir: Some(dir.path().join("cache")),
        ..SoftwareSearch::default()
    };
    let found = find_software(&search).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let software = &found[0].software;
    assert_eq!(software.name, "Blender");
    assert!(software.version.split('.').count() == 3, "{software:?}");
    assert!(software.engines.contains(&RenderEngine::Cycles), "{found:?}");
    if software.version == "3.4.1" {
        assert!(!found[0].has_denoiser);
    }

    let clock = SystemClock;
    let began = clock.now().mono;
    assert_eq!(find_software(&search).await, found);
    let took = clock.now().elapsed(began).0;
    assert!(took < 500, "remembered answers took {took} ms");
}

#[tokio::test]
async fn cycles_is_not_offered_on_a_gpu_that_blender_cannot_take() {
    let gpu = GpuFacts {
        pci_id: "00000000:41:00.0".into(),
        model: "A GPU that nobody has".into(),
        memory_bytes: 1 << 30,
        uuid: Some("GPU-00000000-0000-0000-0000-000000000000".into()),
    };
    let facts = MachineFacts { gpus: vec![gpu], ..MachineFacts::default() };
    let slots = SlotPolicy { cpu_beside_gpus: true }.slots(&facts);
    let search = SoftwareSearch {
        configured: vec![blender()],
        devices: Devices::of(&facts, &slots),
        ..SoftwareSearch::default()
    };
    let found = find_software(&search).await;
    let on = |slot: usize| found[0].on(&slots[slot], &facts).engines;
    assert!(!on(0).contains(&RenderEngine::Cycles), "{found:?}");
    assert!(on(1).contains(&RenderEngine::Cycles), "{found:?}");
    let note = found[0].notes.iter().find(|note| note.lack.contains("A GPU that nobody has")).unwrap();
    assert!(note.lack.contains("does not offer the GPU 00000000:41:00.0"), "{note:?}");
}
