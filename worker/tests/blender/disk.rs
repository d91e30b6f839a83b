//! A disk that is really full: a file system of a few pages, mounted where nobody else sees it.

use std::path::Path;
use std::process::Command;

use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::OutputFormat;

use super::support::Rig;

/// Runs the test of this name, which is ignored elsewhere, with a tiny disk at `TINY_DISK`.
fn on_a_tiny_disk(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let may_mount = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(folder.path());
        command
    };
    let mount = "mount -t tmpfs -o size=4k none \"$1\"";
    if !may_mount(mount).status().is_ok_and(|status| status.success()) {
        eprintln!("not tried: this system lets nobody mount a file system of his own");
        return;
    }
    let output = may_mount(&format!("{mount} && exec \"$2\" --exact \"$3\" --ignored --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env("TINY_DISK", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn tiny_disk() -> std::path::PathBuf {
    std::env::var_os("TINY_DISK").unwrap().into()
}

#[tokio::test]
async fn frames_on_a_full_disk_are_told_as_such() {
    on_a_tiny_disk("disk::frames_that_find_no_room");
}

#[tokio::test]
async fn a_start_on_a_full_disk_is_told_as_such() {
    on_a_tiny_disk("disk::a_start_that_finds_no_room");
}

#[tokio::test]
#[ignore = "only with a tiny disk"]
async fn frames_that_find_no_room() {
    for format in
        [OutputFormat::Png, OutputFormat::Jpeg, OutputFormat::OpenExr, OutputFormat::OpenExrMultilayer]
    {
        let mut rigs = vec![Rig::new("moving.blend")];
        rigs.extend(Rig::of_module_too("moving.blend"));
        for mut rig in rigs {
            rig.request.output_dir = tiny_disk();
            rig.request.render.format = format;
            rig.request.render.resolution = Some((640, 360));
            let failure = rig.fails_in_frame(1).await;
            let told = (failure.class, failure.frame);
            assert_eq!(told, (FailureClass::DiskFull, Some(1)), "{format:?}: {failure}");
            clear(&tiny_disk());
        }
    }
}

#[tokio::test]
#[ignore = "only with a tiny disk"]
async fn a_start_that_finds_no_room() {
    let mut rig = Rig::new("moving.blend");
    rig.request.scratch_dir = tiny_disk();
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::DiskFull, "{failure}");
}

fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
}
