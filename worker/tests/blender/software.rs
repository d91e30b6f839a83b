//! Installed software is found and proved by starting it.

use std::path::PathBuf;

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_worker::machine::{SoftwareSearch, find_software};

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
        scratch_dir: None,
        busy: None,
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
