//! `admin`: with a running cloud, without, and what it refuses.

use std::path::Path;

use pictor_actors::protocol::enrolment::ConfigurationFile;

use crate::program::{PASSWORD, Running, assert_refused, good, pictor_cloud, run, run_command};

const ACCOUNT: [&str; 7] = ["admin", "account", "create", "--email", "Ada@Example.org", "--name", "Ada L"];
const ROLES: [&str; 5] = ["--role", "provider", "--role", "creator", "--password-stdin"];

fn account() -> Vec<&'static str> {
    [&ACCOUNT[..], &ROLES[..]].concat()
}

#[tokio::test]
async fn every_verb_works_while_the_cloud_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let cloud = Running::start(&data).await;
    let made = good(&account(), &data, &format!("{PASSWORD}\n")).await;
    assert!(made.starts_with("acc_") && made.lines().count() == 1, "{made}");
    let listed = good(&["admin", "account", "list"], &data, "").await;
    assert_eq!(listed, format!("{}  ada@example.org  Ada L  provider,creator\n", made.trim()));
    let form = [("email", "ada@example.org"), ("password", PASSWORD)];
    assert_eq!(cloud.client().form("/sign-in", &form).await.status, 303, "the line end is no part of it");
    let token = ["admin", "token", "create", "--email", "ADA@example.org", "--scope", "read"];
    let token = good(&token, &data, "").await;
    assert!(token.starts_with("pct_") && token.lines().count() == 1, "the token alone: {token}");
    let program = cloud.client().with("authorization", format!("Bearer {}", token.trim()));
    assert_eq!(program.get("/api/v1/account").await.value()["email"], "ada@example.org");
    let out = folder.path().join("rig-01.pictor");
    let worker = make_worker(&data, "rig-01", &out).await;
    assert_private(&out);
    let file: ConfigurationFile = toml::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!((file.worker.to_string(), file.name.as_str()), (worker.clone(), "rig-01"));
    assert_eq!(file.cloud.to_string().trim_end_matches('/'), cloud.address, "the running cloud's address");
    let listed = good(&["admin", "worker", "list", "--email", "ada@example.org"], &data, "").await;
    assert_eq!(listed, format!("{worker}  rig-01\n"));
    let shown = program.get("/api/v1/workers").await.value();
    assert_eq!(shown["items"][0]["name"], "rig-01", "{shown}");
    let over = run(&["admin", "set-up"], &data, "").await;
    assert_refused(&over, 1, "there is an account already: sign in");
    cloud.stop().await;
    make_worker(&data, "rig-02", &folder.path().join("rig-02.pictor")).await;
}

async fn make_worker(data: &Path, name: &str, out: &Path) -> String {
    let out = out.to_str().unwrap();
    let create = ["admin", "worker", "create", "--email", "ada@example.org", "--name", name, "--out", out];
    good(&create, data, "").await.trim().to_owned()
}

#[cfg(unix)]
fn assert_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(not(unix))]
fn assert_private(_: &Path) {}

#[tokio::test]
async fn a_database_is_named_as_serve_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = format!("sqlite://{}", folder.path().join("elsewhere.db").display());
    let mut serve = pictor_cloud();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--database", &url, "--data"]).arg(&data);
    let cloud = Running::run(serve, &data).await;
    assert!(!data.join("pictor.db").exists());
    let named = ["--database", &url];
    good(&[&account()[..], &named].concat(), &data, PASSWORD).await;
    let token = ["admin", "token", "create", "--email", "ada@example.org", "--scope", "all"];
    let token = good(&[&token[..], &named].concat(), &data, "").await;
    let program = cloud.client().with("authorization", format!("Bearer {}", token.trim()));
    assert_eq!(program.get("/api/v1/account").await.status, 200);
    let mut by_environment = pictor_cloud();
    by_environment.args(["admin", "account", "list"]).env("PICTOR__DATABASE__URL", &url);
    by_environment.env("PICTOR__DATA", &data);
    assert!(run_command(by_environment, "").await.out.contains("ada@example.org"));
    let other = run(&["admin", "account", "list"], &data, "").await;
    assert_refused(&other, 1, &format!("there is no database sqlite://{}/pictor.db", data.display()));
    cloud.stop().await;
}

#[tokio::test]
async fn a_folder_without_a_cloud_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let out = folder.path().join("rig.pictor");
    let words = format!("no cloud's data in {}: there is no database", data.display());
    let of_ada = ["--email", "ada@example.org"];
    for verb in [
        &["admin", "account", "list"][..],
        &[&["admin", "token", "create", "--scope", "all"], &of_ada[..]].concat(),
        &[&["admin", "worker", "list"], &of_ada[..]].concat(),
        &[&["admin", "worker", "create", "--name", "rig", "--out", out.to_str().unwrap()], &of_ada[..]]
            .concat(),
    ] {
        let said = run(verb, &data, "").await;
        assert_refused(&said, 1, &words);
        assert!(said.words.contains("say --data"), "{}", said.words);
    }
    let refused = run(&account(), &data, "short").await;
    assert_refused(&refused, 1, "use at least 10 characters");
    assert!(!data.exists() && !out.exists(), "nothing was made");
    for begin in [account(), vec!["admin", "set-up"]] {
        let data = folder.path().join(begin.len().to_string());
        let said = run(&begin, &data, PASSWORD).await;
        assert_eq!(said.code, 0, "{}", said.words);
        assert!(said.words.contains("beginning a new cloud there"), "{}", said.words);
        assert_eq!(good(&["admin", "account", "list"], &data, "").await.is_empty(), begin.len() == 2);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    good(&account(), &data, PASSWORD).await;
    let with = |from: &str, to: &'static str| -> Vec<&'static str> {
        account().into_iter().map(|word| if word == from { to } else { word }).collect()
    };
    let fresh = with("Ada@Example.org", "eve@example.org");
    for (arguments, password, code, words) in [
        (account(), PASSWORD, 1, "an account with that e-mail address exists"),
        (with("creator", "king"), PASSWORD, 2, "king"),
        (fresh.clone(), "short", 1, "use at least 10 characters"),
        (fresh, "", 1, "use at least 10 characters"),
        (with("Ada@Example.org", "ada"), PASSWORD, 1, "not an e-mail address"),
        (with("Ada@Example.org", "a@b@c"), PASSWORD, 1, "not an e-mail address"),
        (with("Ada L", " "), PASSWORD, 1, "name"),
        (with("Ada@Example.org", "eve@example.org"), &"é".repeat(2_000), 1, "use at most 256 bytes"),
        (ACCOUNT.to_vec(), PASSWORD, 2, "--role"),
    ] {
        assert_refused(&run(&arguments, &data, password).await, code, words);
    }
    let token = ["admin", "token", "create", "--scope", "everything", "--email", "ada@example.org"];
    assert_refused(&run(&token, &data, "").await, 1, "everything is not a scope: all, jobs");
    let nobody = ["admin", "token", "create", "--scope", "all", "--email", "eve@example.org"];
    let none = "there is no account with the e-mail address eve@example.org";
    assert_refused(&run(&nobody, &data, "").await, 1, none);
    assert_eq!(good(&["admin", "account", "list"], &data, "").await.lines().count(), 1);
    let token = ["admin", "token", "create", "--scope", "read", "--email", "ada@example.org", "--name"];
    for (name, words) in [
        ("", "that name will not do: a name is needed"),
        ("a\nb", "control character"),
        (&"x".repeat(10_000), "choose a shorter name"),
    ] {
        assert_refused(&run(&[&token[..], &[name]].concat(), &data, "").await, 1, words);
    }
    let twice = [&token[..], &[" for scripts ", "--scope", "all", "--scope", "read"]].concat();
    let secret = good(&twice, &data, "").await;
    let cloud = Running::start(&data).await;
    let program = cloud.client().with("authorization", format!("Bearer {}", secret.trim()));
    let listed = program.get("/api/v1/tokens").await.value();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["items"][0]["name"], "for scripts");
    assert_eq!(listed["items"][0]["scopes"], serde_json::json!(["all", "read"]));
    cloud.stop().await;
}

#[tokio::test]
async fn a_worker_is_not_made_where_its_file_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    good(&account(), &data, PASSWORD).await;
    let out = folder.path().join("rig.pictor");
    make_worker(&data, "rig", &out).await;
    let create = ["admin", "worker", "create", "--email", "ada@example.org", "--name"];
    let before = std::fs::read_to_string(&out).unwrap();
    let again = [&create[..], &["rig", "--out", out.to_str().unwrap()]].concat();
    assert_refused(&run(&again, &data, "").await, 1, "a worker with that name exists");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), before, "the file that is there stays");
    let nowhere = folder.path().join("no/such/folder/rig-02.pictor");
    let unwritable = [&create[..], &["rig-02", "--out", nowhere.to_str().unwrap()]].concat();
    assert_refused(&run(&unwritable, &data, "").await, 1, "cannot write");
    let other = folder.path().join("other.pictor");
    let taken = [&create[..], &["rig", "--out", other.to_str().unwrap()]].concat();
    assert_refused(&run(&taken, &data, "").await, 1, "a worker with that name exists");
    let folder_there = [&create[..], &["rig-02", "--out", folder.path().to_str().unwrap()]].concat();
    assert_refused(&run(&folder_there, &data, "").await, 1, "something that is not a file is there");
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["data", "rig.pictor"], "nothing is left behind");
    let list = ["admin", "worker", "list", "--email", "ada@example.org"];
    assert_eq!(good(&list, &data, "").await.lines().count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_there_is_replaced_by_one_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    good(&account(), &data, PASSWORD).await;
    let out = folder.path().join("rig.pictor");
    std::fs::write(&out, "x".repeat(10_000)).unwrap();
    std::fs::set_permissions(&out, std::fs::Permissions::from_mode(0o644)).unwrap();
    let link = folder.path().join("link.pictor");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    make_worker(&data, "rig", &link).await;
    assert_private(&out);
    assert!(link.is_symlink(), "the link stays");
    let file: ConfigurationFile = toml::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(file.name, "rig");
}

#[tokio::test]
async fn an_address_that_nobody_can_call_gets_into_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    good(&account(), &data, PASSWORD).await;
    let out = folder.path().join("rig.pictor");
    let create = ["admin", "worker", "create", "--email", "ada@example.org", "--name", "rig", "--out"];
    let create = [&create[..], &[out.to_str().unwrap()]].concat();
    for (place, shown) in [("0.0.0.0:7420", "http://0.0.0.0:7420"), ("[::]:7420", "http://[::]:7420")] {
        let said = run(&[&create[..], &["--listen", place]].concat(), &data, "").await;
        assert_refused(&said, 1, &format!("every interface ({shown}), which is no address"));
        assert!(said.words.contains("--cloud http://HOST:7420"), "{}", said.words);
        assert!(said.words.contains("server.public_url"), "{}", said.words);
    }
    assert!(!out.exists());
    let said = [&create[..], &["--listen", "0.0.0.0:7420", "--cloud", "http://10.0.0.7:7420"]].concat();
    good(&said, &data, "").await;
    let file: ConfigurationFile = toml::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(file.cloud.to_string(), "http://10.0.0.7:7420");
}

#[tokio::test]
async fn a_set_up_address_can_be_called_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&["admin", "set-up", "--listen", "0.0.0.0:7420"], folder.path(), "").await;
    assert!(said.out.starts_with("http://127.0.0.1:7420/set-up/"), "{}", said.out);
    assert!(said.words.contains("set server.public_url"), "{}", said.words);
}
