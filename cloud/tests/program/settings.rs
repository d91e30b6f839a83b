//! `config`.

use crate::program::{assert_refused, good, pictor_cloud, run, run_command};

#[tokio::test]
async fn what_is_printed_can_be_fed_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = good(&["config", "print"], &data, "").await;
    for wanted in ["\n[server]\nlisten = \"127.0.0.1:7420\"\n", "\nworker_links_max = 10000\n", "= false\n"] {
        assert!(first.contains(wanted), "{wanted:?} is not in {first}");
    }
    let file = folder.path().join("copy.toml");
    std::fs::write(&file, &first).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    assert_eq!(good(&[&["config", "print"], &config[..]].concat(), &data, "").await, first);
    let checked = good(&[&["config", "check"], &config[..]].concat(), &data, "").await;
    assert!(checked.starts_with("the settings are right"), "{checked}");
    let origins = good(&[&["config", "print", "--origin"], &config[..]].concat(), &data, "").await;
    let by_default: Vec<&str> = origins.lines().filter(|line| line.ends_with("# default")).collect();
    let unset = ["public_url", "url", "url", "endpoint", "public_endpoint", "region", "access_key_id"]
        .iter()
        .chain(&["secret_access_key"])
        .map(|key| format!("# {key} is not set  # default"));
    assert_eq!(by_default, unset.collect::<Vec<_>>(), "{origins}");
    assert!(!data.exists(), "looking makes nothing");
}

#[tokio::test]
async fn secrets_are_hidden_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "config",
        "print",
        "--redact",
        "--origin",
        "--database",
        "postgres://me:hushhush@db.example.org/farm",
    ];
    let printed = good(&arguments, folder.path(), "").await;
    assert!(!printed.contains("hushhush") && printed.contains("db.example.org/farm"), "{printed}");
    assert!(printed.contains("# command line"), "{printed}");
}

#[tokio::test]
async fn mistakes_are_refused_in_words_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[log]\nlevel = \"verbose\"\nformat = \"xml\"\n[server]\nlistn = \"127.0.0.1:1\"\n";
    std::fs::write(folder.path().join("pictor.toml"), text).unwrap();
    let said = run(&["config", "check"], folder.path(), "").await;
    for words in ["give error, warn, info", "give text or json", "did you mean server.listen?"] {
        assert_refused(&said, 1, words);
    }
    std::fs::remove_file(folder.path().join("pictor.toml")).unwrap();
    let mut misspelt = pictor_cloud();
    misspelt.args(["config", "check", "--data"]).arg(folder.path()).env("PICTOR__LOGS__LEVEL", "info");
    assert_refused(&run_command(misspelt, "").await, 1, "did you mean PICTOR__LOG__LEVEL?");
}

#[tokio::test]
async fn silences_that_contradict_each_other_are_refused_by_check_and_by_serve() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pictor.toml"), "[liveness]\nlease_ttl_ms = 4000\n").unwrap();
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let said = run(arguments, folder.path(), "").await;
        assert_refused(&said, 1, "pictor.toml) must be above liveness.stale_after_ms = 15000 (default)");
        assert_refused(&said, 1, "liveness.lease_ttl_ms = 4000 (");
    }
    assert!(!folder.path().join("pictor.db").exists());
}

#[tokio::test]
async fn flags_of_the_cloud_are_taken_before_and_after_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for arguments in [
        &["--data", data, "--listen", "127.0.0.1:1234", "config", "print"][..],
        &["config", "--data", data, "print", "--listen", "127.0.0.1:1234"],
        &["config", "print", "--data", data, "--listen", "127.0.0.1:1234"],
    ] {
        let mut command = pictor_cloud();
        command.args(arguments);
        let said = run_command(command, "").await;
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.words);
        assert!(said.out.starts_with(&format!("# data folder: {data}\n")), "{}", said.out);
        assert!(said.out.contains("\nlisten = \"127.0.0.1:1234\"\n"), "{}", said.out);
    }
    let mut command = pictor_cloud();
    command.args(["--data", data, "admin", "--listen", "127.0.0.1:1234", "set-up"]);
    let said = run_command(command, "").await;
    assert!(said.out.starts_with("http://127.0.0.1:1234/set-up/"), "{} {}", said.out, said.words);
}
