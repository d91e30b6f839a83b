//! The program as a creator or a script calls it, in a pipe, on a cloud that answers what the test says.
#![allow(clippy::unwrap_used, missing_docs)]

mod cloud;

use serde_json::{Value, json};

use cloud::{Cloud, TOKEN, run};

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
