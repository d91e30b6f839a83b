//! The creator's client: exit codes, quiet in a pipe, stable JSON, actions on a job.

use crate::harness::Stage;

#[test]
fn exit_codes_tell_what_went_wrong() {
    let stage = Stage::new();
    let code = |arguments: &[&str]| stage.farm.client(arguments).output().unwrap().status.code();
    let unknown = "job_00000000000000000000000000000001";
    assert_eq!(code(&["jobs", "list"]), Some(0));
    assert_eq!(code(&["jobs", "show", unknown]), Some(3));
    assert_eq!(code(&["workers", "show", "nobody"]), Some(3));
    assert_eq!(code(&["submit", "/no/such/file.blend"]), Some(2));
    assert_eq!(code(&["no-such-verb"]), Some(2));
    let mut wrong = stage.farm.client(&["jobs", "list"]);
    assert_eq!(wrong.env("PICTOR_TOKEN", "pct_wrong").output().unwrap().status.code(), Some(4));
    let mut nowhere = stage.farm.client(&["jobs", "list"]);
    assert_eq!(nowhere.env("PICTOR_URL", "http://127.0.0.1:9").output().unwrap().status.code(), Some(7));
}

#[test]
fn pause_priority_resume_and_cancel() {
    let stage = Stage::new();
    let scene = stage.scene("plain", 3);
    let job = stage.farm.submit(&scene, &["--priority", "20"]).unwrap();
    let act = |arguments: &[&str]| stage.farm.pictor(arguments).unwrap();
    assert_eq!(act(&["jobs", "pause", &job])["state"], "paused");
    assert_eq!(act(&["jobs", "priority", &job, "90"])["priority"], 90);
    assert_eq!(act(&["jobs", "resume", &job])["state"], "ready");
    let waiting = stage.farm.wait_for("the reason why it waits", |farm| {
        let shown = farm.job(&job)?;
        Ok(shown["waiting"]
            .as_array()
            .filter(|reasons| !reasons.is_empty())
            .map(|reasons| reasons[0].clone()))
    });
    assert!(waiting.unwrap().as_str().unwrap().contains("worker"));
    assert_eq!(act(&["jobs", "cancel", &job])["state"], "cancelled");
    let again = stage.farm.client(&["jobs", "resume", &job]).output().unwrap();
    assert_eq!(again.status.code(), Some(5), "a cancelled job does not go on");
    assert!(again.stdout.is_empty());
}

#[test]
fn the_same_file_is_sent_once() {
    let stage = Stage::new();
    let scene = stage.scene("plain", 1);
    let one = stage.farm.submit(&scene, &["--paused"]).unwrap();
    let other = stage.farm.submit(&scene, &["--paused"]).unwrap();
    assert_ne!(one, other);
    let listed = stage.farm.pictor(&["jobs", "list"]).unwrap();
    assert_eq!(ci::farm::list_of(&listed).len(), 2);
}
