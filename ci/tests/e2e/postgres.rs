//! The same farm on PostgreSQL.

use crate::harness::{Stage, bare_blender, quick};

/// A database of this test's own on the server that `cargo ci test` started.
fn database() -> String {
    let server =
        std::env::var("PICTOR_TEST_POSTGRES").expect("`cargo ci test` starts PostgreSQL and names it");
    let name = format!("e2e_{}", std::process::id());
    let status = std::process::Command::new("psql")
        .args([&server, "-q", "-c", &format!("CREATE DATABASE {name}")])
        .status()
        .unwrap();
    assert!(status.success());
    server.rsplit_once('/').map(|(server, _)| format!("{server}/{name}")).unwrap()
}

#[test]
fn a_job_survives_the_cloud_s_death_on_postgresql_too() {
    let mut settings = quick();
    settings.push(("PICTOR__DATABASE__URL", database()));
    let mut stage = Stage::with(settings);
    stage.farm.add_worker("rig-01").unwrap();
    stage.farm.add_worker("rig-02").unwrap();
    let scene = stage.scene("second", 12);
    let job = stage.farm.submit(&scene, &[]).unwrap();
    stage.farm.wait_frames(&job, 3).unwrap();
    stage.farm.kill_cloud().unwrap();
    stage.farm.restart_cloud().unwrap();
    let shown = stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(shown["frames_done"], 12);
    let bare = bare_blender(&scene, &stage.folder.path().join("bare"));
    assert!(stage.frames(&job).iter().zip(&bare).all(|(ours, bare)| ours.1 == bare.1));
}
