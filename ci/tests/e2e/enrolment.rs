//! The one-time configuration file: it works once, on one machine, for its own cloud.

use std::process::Output;

use crate::harness::Stage;

fn import(stage: &Stage, file: &std::path::Path, folder: &str) -> Output {
    let mut import = stage.farm.programs().command("pictor-worker");
    import.arg("import").arg(file).arg("--data").arg(stage.folder.path().join(folder)).output().unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).to_lowercase()
}

#[test]
fn used_replaced_foreign_and_broken_files_each_have_their_own_words() {
    let stage = Stage::new();
    let url = stage.farm.url().to_owned();
    let file = stage.farm.configuration("rig-01", &url).unwrap();
    assert!(import(&stage, &file, "first").status.success());
    let used = refusal(&import(&stage, &file, "second"));
    assert!(used.contains("used"), "{used}");

    let other = Stage::new();
    let text =
        std::fs::read_to_string(other.farm.configuration("theirs", other.farm.url()).unwrap()).unwrap();
    let foreign_file = stage.folder.path().join("foreign.pictor");
    std::fs::write(&foreign_file, text.replace(other.farm.url(), stage.farm.url())).unwrap();
    let foreign = refusal(&import(&stage, &foreign_file, "third"));
    assert!(foreign.contains("not of this cloud") || foreign.contains("another cloud"), "{foreign}");

    let expired_file = stage.folder.path().join("expired.pictor");
    let fresh = std::fs::read_to_string(stage.farm.configuration("rig-02", &url).unwrap()).unwrap();
    let expired_text: String = fresh
        .lines()
        .map(|line| {
            if line.starts_with("expires_at") {
                "expires_at = 1000\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&expired_file, expired_text).unwrap();
    let expired = refusal(&import(&stage, &expired_file, "fourth"));
    assert!(expired.contains("old") || expired.contains("expired"), "{expired}");

    let broken_file = stage.folder.path().join("broken.pictor");
    std::fs::write(&broken_file, "hello").unwrap();
    let broken = refusal(&import(&stage, &broken_file, "fifth"));
    assert!(broken.contains("configuration file"), "{broken}");
    let messages = [used, foreign, expired, broken];
    assert!(messages.iter().enumerate().all(|(n, one)| messages[..n].iter().all(|other| other != one)));
}
