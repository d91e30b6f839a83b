//! The program as a creator or a script calls it, in a pipe, on a cloud that answers what the test says.
#![allow(clippy::unwrap_used, missing_docs)]

mod cloud;
mod pull;

use serde_json::{Value, json};

use cloud::{Cloud, TOKEN, job, page, run};

const JOB: &str = "job_019a0000000070008000000000000a01";

#[test]
fn login_and_logout_print_json_when_asked() {
    let cloud = Cloud::start();
    let account = json!({
        "id": "acc_1", "email": "ada@example.org", "name": "Ada", "roles": [], "wallet_address": null,
        "created_at": "2026-11-23T09:15:00.000Z",
    });
    cloud.says("GET account", [account]);
    let kept_in = cloud.home().join("client.toml");
    let parsed = |arguments: &[&str]| {
        let printed = run(&mut cloud.command(arguments));
        assert_eq!((printed.code, printed.err.as_str()), (0, ""), "{printed:?}");
        serde_json::from_str::<Value>(&printed.out).unwrap()
    };
    let told = json!({
        "is_signed_in": true, "url": cloud.url, "kept_in": kept_in,
        "account": { "id": "acc_1", "name": "Ada", "email": "ada@example.org" },
    });
    assert_eq!(parsed(&["login", "--json", "--token", TOKEN]), told);
    let (url, none) = (&cloud.url, false);
    let out = |had: bool| json!({ "is_signed_in": none, "had_token": had, "url": url, "kept_in": kept_in });
    assert_eq!(parsed(&["logout", "--json"]), out(true));
    assert_eq!(parsed(&["logout", "--json"]), out(false));
    assert_eq!(run(&mut cloud.command(&["logout"])).out, "no token was kept here\n");
}

#[test]
fn a_token_that_is_refused_is_told_with_where_it_stood() {
    let cloud = Cloud::start();
    let list = ["jobs", "list"];
    let from_variable = run(cloud.command(&list).env("PICTOR_TOKEN", "pct_old"));
    assert_eq!(from_variable.code, 4);
    let new_one = format!("Make a new one at {}/account and keep it with `pictor login`", cloud.url);
    for words in ["does not take the token in PICTOR_TOKEN (which goes before the kept one)", &new_one] {
        assert!(from_variable.err.contains(words), "{from_variable:?}");
    }
    let from_option = run(&mut cloud.command(&["jobs", "list", "--token", "pct_old"]));
    assert!(from_option.err.contains("does not take the token of --token:"), "{from_option:?}");
    let kept = cloud.home().join("client.toml");
    std::fs::write(&kept, "token = \"pct_old\"").unwrap();
    // A variable that is set to nothing is none.
    let from_file = run(cloud.command(&list).env("PICTOR_TOKEN", ""));
    assert!(from_file.err.contains(&format!("the token kept in {}", kept.display())), "{from_file:?}");
}

#[test]
fn what_is_no_job_id_is_a_wrong_call_and_the_cloud_is_not_asked() {
    let cloud = Cloud::start();
    for call in [&["jobs", "show", "job_x"][..], &["pull", "lamp"], &["jobs", "logs", "JOB_1"]] {
        let printed = cloud.pictor(call);
        assert_eq!(printed.code, 2, "{printed:?}");
        assert!(printed.err.contains("no job's id: one is job_ and 32 hexadecimal digits"), "{printed:?}");
    }
    assert_eq!(cloud.asked("GET jobs/job_x"), 0);
}

#[test]
fn with_json_what_went_wrong_is_one_object_on_standard_error() {
    let cloud = Cloud::start();
    let told = |printed: cloud::Printed| {
        assert_eq!(printed.out, "", "{printed:?}");
        let said: Value = serde_json::from_str(&printed.err).unwrap();
        assert_eq!(said["error"]["exit_code"], printed.code, "{printed:?}");
        said["error"].clone()
    };
    assert_eq!(
        told(cloud.pictor(&["jobs", "show", JOB, "--json"])),
        json!({
            "kind": "not_found", "exit_code": 3, "message": "refused by the test", "code": "not_found",
            "fields": [],
        })
    );
    let no_cloud =
        told(run(cloud.command(&["jobs", "list", "--json", "--token", TOKEN]).env("PICTOR_URL", "x:")));
    assert_eq!(
        (&no_cloud["code"], no_cloud["message"].as_str().is_some()),
        (&Value::Null, true),
        "{no_cloud}"
    );
    for call in [&["jobs", "show", "job_x", "--json"][..], &["--json", "jobs", "dance"]] {
        let usage = told(cloud.pictor(call));
        assert_eq!((&usage["kind"], &usage["exit_code"]), (&json!("usage"), &json!(2)), "{usage}");
        let words = usage["message"].as_str().unwrap();
        assert!(words.contains("job_x") || words.contains("dance"), "{words}");
        assert!(!words.starts_with("error:"), "{words}");
    }
    let help = cloud.pictor(&["jobs", "--help", "--json"]);
    assert!(help.code == 0 && help.err.is_empty() && help.out.contains("Usage"), "{help:?}");
}

#[test]
fn in_a_pipe_a_job_that_is_waited_for_is_told_of_line_by_line() {
    let cloud = Cloud::start();
    let paused = "no worker takes work now: 1 worker is paused by its owner";
    let waits = |reason: &str| {
        job(json!({ "state": "ready", "frames_done": 0, "progress": 0.0, "waiting": [reason] }))
    };
    let life = [
        waits(paused),
        waits(paused),
        waits("1 slot is busy with other jobs"),
        job(json!({})),
        job(json!({ "waiting": ["1 slot is busy with other frames of this job"] })),
        job(json!({ "state": "completed", "frames_done": 4, "progress": 1.0 })),
    ];
    let path = format!("GET jobs/{JOB}");
    cloud.says(&path, life.clone());
    let watched = cloud.pictor(&["jobs", "watch", JOB]);
    assert_eq!(watched.code, 0, "{watched:?}");
    assert_eq!(watched.out, format!("{JOB} completed: 4 of 4 frames\n"));
    let told: Vec<&str> = watched.err.lines().collect();
    assert_eq!(
        told,
        [
            &format!("pictor: lamp: 0 of 4 frames, ready: {paused}"),
            "pictor: lamp: 0 of 4 frames, ready: 1 slot is busy with other jobs",
            "pictor: lamp: 1 of 4 frames, running",
            "pictor: lamp: 4 of 4 frames, completed",
        ]
    );
    cloud.says(&path, life);
    let watched = cloud.pictor(&["jobs", "watch", JOB, "--json"]);
    assert_eq!(watched.err, "");
    let lines: Vec<Value> = watched.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<&str> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ready", "ready", "running", "completed"]);
}

#[test]
fn a_job_that_fails_while_it_is_watched_is_an_exit_code_and_a_reason() {
    let cloud = Cloud::start();
    let failed = job(json!({ "state": "failed", "reason": "no camera: the scene has none" }));
    cloud.says(&format!("GET jobs/{JOB}"), [failed]);
    let watched = cloud.pictor(&["jobs", "watch", JOB]);
    assert_eq!((watched.code, watched.out), (1, format!("{JOB} failed: 1 of 4 frames\n")));
    assert!(watched.err.contains("failed: no camera: the scene has none"), "{}", watched.err);
}

#[test]
fn a_job_is_shown_with_counts_that_read_well() {
    let cloud = Cloud::start();
    let failure = json!({ "class": "crash", "words": "Blender crashed", "message": "signal 11", "attempts": 1,
        "frames": 1 });
    cloud.says(&format!("GET jobs/{JOB}"), [job(json!({ "frames_failed": 1, "failures": [failure] }))]);
    let shown = cloud.pictor(&["jobs", "show", JOB]).out;
    assert!(shown.lines().any(|line| line.starts_with("failed ") && line.ends_with("  1 frame")), "{shown}");
    assert!(shown.contains("failure  Blender crashed (1 attempt): signal 11"), "{shown}");
}

#[test]
fn lists_name_workers_and_leave_no_cell_empty() {
    let cloud = Cloud::start();
    let known = "wrk_00000000000000000000000000000001";
    let other = "wrk_00000000000000000000000000000002";
    let frame = |number: i32, worker: Option<&str>| {
        json!({ "frame": number, "state": if worker.is_some() { "stored" } else { "pending" },
            "file_name": "x", "blake3": null, "size": null, "render_ms": worker.map(|_| 1_500),
            "worker": worker, "stored_at": null })
    };
    let frames = json!([frame(1, Some(known)), frame(2, Some(other)), frame(3, None)]);
    cloud.says(&format!("GET jobs/{JOB}/frames"), [page(frames)]);
    let rows = |cloud: &Cloud| {
        let listed = cloud.pictor(&["jobs", "frames", JOB]);
        assert_eq!(listed.code, 0, "{listed:?}");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        listed.out.lines().skip(1).map(words).collect::<Vec<_>>()
    };
    let by_id = rows(&cloud);
    assert_eq!(by_id[0].last().unwrap(), known, "a token for jobs alone does not see workers");
    let worker = json!({ "id": known, "name": "rig-01", "connection": "online", "activity": null,
        "status": "idle", "last_heartbeat_at": null, "online_since": null, "machine": null, "sample": null,
        "app_version": null, "slots": [], "created_at": "", "updated_at": "" });
    cloud.says("GET workers", [page(json!([worker]))]);
    assert_eq!(
        rows(&cloud),
        [
            vec!["1", "stored", "1.5", "s", "–", "rig-01"],
            vec!["2", "stored", "1.5", "s", "–", other],
            vec!["3", "pending", "–", "–", "–"],
        ]
    );
}

#[test]
fn a_pause_says_what_becomes_of_frames_in_hand() {
    let cloud = Cloud::start();
    cloud.says(&format!("POST jobs/{JOB}/pause"), [job(json!({ "state": "paused" }))]);
    let printed = cloud.pictor(&["jobs", "pause", JOB]);
    let words = format!(
        "{JOB} paused at 1 of 4 frames: the frame in hand is finished and kept, and nothing new starts; go \
         on with `pictor jobs resume {JOB}`\n"
    );
    assert_eq!(printed.out, words);
}
