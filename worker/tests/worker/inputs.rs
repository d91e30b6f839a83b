//! The cache of inputs gives way where the disk has no room.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pictor_actors::ids::{JobId, LeaseId};
use pictor_actors::protocol::FailureClass;
use pictor_worker::cloud::Cloud;
use pictor_worker::inputs::Inputs;

use crate::cloud::{FakeCloud, manifest};
use crate::support::Worker;

const FOLDER: &str = "PICTOR_TEST_INPUTS";

/// An input that no lease uses.
fn old_input(inputs: &Path) -> PathBuf {
    let path = inputs.join("blobs").join("7".repeat(64));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"old").unwrap();
    path
}

#[actix_web::test]
async fn a_disk_that_is_low_loses_old_inputs_although_no_work_comes() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let worker = Worker::start_low_on_disk(&cloud, folder.path(), |inputs| {
        old_input(inputs);
    });
    cloud.connected().await;
    let old = folder.path().join("inputs/blobs").join("7".repeat(64));
    let gone = async {
        while old.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    worker.stop().await;
}

/// The body of the child; without its variable it is a test that has nothing to do.
#[actix_web::test]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let old = old_input(Path::new(&folder));
    let server = FakeCloud::start();
    let cloud = Arc::new(Cloud::new(server.url.clone()));
    cloud.set_bearer(Some("wkb_test"));
    let inputs = Arc::new(Inputs::open(folder.into(), u64::MAX, cloud).unwrap());
    // Past the limit the system sends a signal; a full disk does not, so the error is what we want to see.
    #[allow(unsafe_code)]
    unsafe {
        use nix::sys::signal::{SigHandler, Signal, signal};
        signal(Signal::SIGXFSZ, SigHandler::SigIgn).unwrap();
    }
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE, 3, 3).unwrap();
    let brought = inputs.bring(LeaseId::from_u128(1), JobId::from_u128(1), manifest().1).await;
    assert_eq!(brought.unwrap_err().class, FailureClass::DiskFull);
    assert!(!old.exists(), "it went before the files of this job were given up");
}

#[test]
fn a_full_disk_loses_old_inputs_before_a_job_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inputs::child", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
