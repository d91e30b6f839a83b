//! What `ci/containers` promises, held against the real program: settings, flags, ports, probes; and the
//! image's root, made by hand, in which the program runs as the image's user with nothing writable but its
//! folders.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ci::farm::{Programs, free_port, kill_hard};
use ci::{containers, shell};
use pictor_cloud::config::SETTINGS;
use pictor_cloud::http::routes::ROUTES;
use serde_json::Value;

fn facts() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    containers::facts(root).unwrap()
}

fn pairs(environment: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    environment.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// The program reads these settings without a complaint, and each is one that it has.
fn assert_settings(environment: &BTreeMap<String, String>) {
    for name in environment.keys().filter(|name| *name != "PICTOR__DATA") {
        let key = name.trim_start_matches("PICTOR__").to_lowercase().replace("__", ".");
        assert!(SETTINGS.iter().any(|setting| setting.key == key), "{name} is no setting");
    }
    let mut check = Programs::beside_the_test().unwrap().command("pictor-cloud");
    let output =
        check.args(["config", "check"]).env_clear().env("HOME", "/nowhere").envs(environment).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The program has that verb.
fn assert_verb(arguments: &[&str]) {
    let mut help = Programs::beside_the_test().unwrap().command("pictor-cloud");
    let output = help.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn assert_route(path: &str) {
    assert!(ROUTES.iter().any(|route| route.method == "GET" && route.path == path), "{path} is no route");
}

#[test]
pub fn every_setting_flag_port_and_probe_of_the_containers_is_there() {
    let facts = facts();
    let (image, cluster, compose) = (&facts["dockerfile"], &facts["kubernetes"], &facts["compose"]);
    let port = image["port"].as_u64().unwrap();
    let listens = |environment: &Value| {
        let listen = environment["PICTOR__SERVER__LISTEN"].as_str().unwrap().to_owned();
        assert_eq!(listen, format!("0.0.0.0:{port}"), "where the image says that it listens");
    };
    assert_eq!(words(&image["entrypoint"]), ["/usr/bin/pictor-cloud"]);
    assert_verb(&words(&image["command"]));
    assert_verb(&words(&cluster["command"]));
    let health = words(&image["health"]);
    assert_eq!(health[0], "/usr/bin/pictor-cloud");
    assert_verb(&health[1..]);
    let mut with_secrets = pairs(&cluster["environment"]);
    // From the Secret that the README tells how to make.
    with_secrets.insert("PICTOR__DATABASE__URL".into(), "postgres://user:password@host/name".into());
    with_secrets.insert("PICTOR__BLOBS__ACCESS_KEY_ID".into(), "key".into());
    with_secrets.insert("PICTOR__BLOBS__SECRET_ACCESS_KEY".into(), "secret".into());
    assert_settings(&with_secrets);
    assert_settings(&pairs(&image["environment"]));
    listens(&cluster["environment"]);
    listens(&image["environment"]);
    for cloud in compose["clouds"].as_array().unwrap() {
        assert_settings(&pairs(&cloud["environment"]));
        listens(&cloud["environment"]);
        assert_eq!(words(&cloud["health"]), health);
        let name = format!("{}:{port}", cloud["name"].as_str().unwrap());
        assert!(words(&compose["behind"]).contains(&name.as_str()), "the entrance knows {name}");
    }
    for probe in cluster["probes"].as_array().unwrap() {
        assert_route(probe[0].as_str().unwrap());
        assert_eq!(cluster["ports"][probe[1].as_str().unwrap()].as_u64(), Some(port));
    }
    assert_route(compose["balancer_probe"].as_str().unwrap());
    assert_eq!(image["user"], format!("{0}:{0}", cluster["user"]));
}

/// The files that the image has: the program, and what the base brings of libraries and certificates.
fn make_root(root: &Path) {
    let program = Programs::beside_the_test().unwrap().command("pictor-cloud");
    let program = PathBuf::from(program.get_program());
    for folder in ["usr/bin", "data", "tmp", "proc", "dev"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy(&program, root.join("usr/bin/pictor-cloud")).unwrap();
    let known = ["libc.so", "libm.so", "libgcc_s.so", "libdl.so", "libpthread.so", "librt.so", "ld-linux"];
    for line in shell::output("ldd", &[&program.to_string_lossy()]).unwrap().lines() {
        let Some(library) = line.split_whitespace().find(|word| word.starts_with('/')) else { continue };
        assert!(known.iter().any(|known| library.contains(known)), "the base image has no {library}");
        let target = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(library, target).unwrap();
    }
    // The base brings the roots of trust too; without any the cloud could make no client.
    std::fs::create_dir_all(root.join("etc/ssl/certs")).unwrap();
    let trusted = "etc/ssl/certs/ca-certificates.crt";
    std::fs::copy(Path::new("/").join(trusted), root.join(trusted)).unwrap();
}

/// In the root, which is mounted read-only, as the image's user; `data` and `tmp` are of their own.
fn inside(root: &Path, user: &str, arguments: &[&str], environment: &BTreeMap<String, String>) -> Command {
    // Only an optimised build has the pages in it; this one reads them where they were when it was built, by
    // way of the folder `cloud` beside them. They are mounted last: they may lie where `tmp` is.
    let script = "set -e; root=$1; user=$2; pages=$3; shift 3; mount --bind \"$root\" \"$root\"; \
        mount --bind \"$root.data\" \"$root/data\"; mount -t tmpfs -o mode=1777 none \"$root/tmp\"; \
        mkdir -p \"$root$pages\" \"$root${pages%/*}/cloud\"; mount --bind \"$pages\" \"$root$pages\"; \
        mount -o remount,ro,bind \"$root\"; exec chroot --userspec=\"$user\" \"$root\" \"$@\"";
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("templates");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(root).arg(user).arg(pages).args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(environment);
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_hard(&mut self.0);
    }
}

#[test]
pub fn the_program_runs_in_the_images_root_as_its_user_and_tells_its_health() {
    if shell::output("id", &["-u"]).unwrap() != "0" {
        println!("NOT RUN: mounting and changing the root needs root");
        return;
    }
    let image = facts()["dockerfile"].clone();
    let folder = tempfile::tempdir().unwrap();
    let (root, user) = (folder.path().join("root"), image["user"].as_str().unwrap());
    make_root(&root);
    let data = folder.path().join("root.data");
    std::fs::create_dir(&data).unwrap();
    shell::output("chown", &[user, &data.to_string_lossy()]).unwrap();
    shell::output("chmod", &["755", &folder.path().to_string_lossy()]).unwrap();
    let mut environment = pairs(&image["environment"]);
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    environment.insert("PICTOR__SERVER__LISTEN".into(), listen);
    let health = words(&image["health"]);
    let is_healthy = || inside(&root, user, &health, &environment).output().unwrap();
    assert!(!is_healthy().status.success(), "nothing runs yet");

    let command = [words(&image["entrypoint"]), words(&image["command"])].concat();
    let mut serve = inside(&root, user, &command, &environment);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut running = Running(serve.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let started = shell::started_now();
    let healthy = loop {
        let told = is_healthy();
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(running.0.try_wait().unwrap().is_none(), "it ended: {}", log());
        if told.status.success() {
            break told;
        }
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(started.elapsed().as_secs() < 60, "not healthy: {said}{}", log());
    };
    assert_eq!(String::from_utf8_lossy(&healthy.stdout), "ok\n");
    assert!(data.join("pictor.db").is_file(), "its data is where the volume is");
    let owner = shell::output("stat", &["-c", "%u", &data.join("pictor.db").to_string_lossy()]).unwrap();
    assert_eq!(Some(owner.as_str()), user.split(':').next(), "and not root's");
}
