//! Verbs that only ask leave the folder that they are pointed at as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use pictor_actors::units::Millis;
use pictor_worker::cli::Exit;
use pictor_worker::control::{Answer, Request, ask};

use crate::cloud::FakeCloud;
use crate::support::Worker;

const ASKING: [&[&str]; 4] = [&["status"], &["pause"], &["resume"], &["logs"]];

fn call(data: &Path, arguments: &[&str]) -> (u8, String) {
    let mut verb = Command::new(env!("CARGO_BIN_EXE_pictor-worker"));
    let output = verb.args(arguments).arg("--data").arg(data).output().unwrap();
    let words = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap().try_into().unwrap(), words)
}

/// Names and mode of what stands there.
fn state(folder: &Path) -> (Vec<String>, u32) {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    (names, fs::metadata(folder).unwrap().permissions().mode())
}

#[test]
fn asking_changes_nothing_in_a_foreign_folder_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let (foreign, nowhere) = (folder.path().join("photos"), folder.path().join("nowhere"));
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(foreign.join("holiday.jpg"), "").unwrap();
    let before = state(&foreign);
    for arguments in ASKING {
        for data in [&foreign, &nowhere] {
            let (code, said) = call(data, arguments);
            let wanted = if arguments == ["logs"] { Exit::Failed } else { Exit::NotEnrolled };
            assert_eq!(code, wanted.code(), "{arguments:?}: {said}");
        }
        assert_eq!(state(&foreign), before, "{arguments:?}");
        assert!(!nowhere.exists(), "{arguments:?}");
    }
    let (code, said) = call(&foreign, &["run"]);
    assert_eq!((code, said.contains("holds other things")), (Exit::Failed.code(), true), "{said}");
    assert_eq!(state(&foreign), before);
}

#[actix_web::test]
async fn a_worker_whose_folder_lies_deep_is_asked_too() {
    let (cloud, folder) = (FakeCloud::start(), tempfile::tempdir().unwrap());
    let deep = folder.path().join("d".repeat(100)).join("data");
    let worker = Worker::start(&cloud, &deep, Millis(10));
    cloud.connected().await;
    assert!(matches!(ask(&worker.data, &Request::Status).await.unwrap(), Answer::Status(_)));
    let named = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let hash = blake3::hash(worker.data.root().as_os_str().as_encoded_bytes()).to_hex();
    assert!(
        !named.contains(&format!("@pictor-worker-{}", &hash[..24])),
        "a name without a file is anybody's"
    );
    worker.stop().await;
}
