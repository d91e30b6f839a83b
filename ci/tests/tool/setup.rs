//! `cargo ci setup` and `test` on a machine that lacks something: words, no question, no hang.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A machine with nothing but the programs that the test puts on it.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.folder.path().join("bin")).unwrap();
        machine
    }

    /// Puts a program on it: each call is noted, then the shell text runs.
    fn with(self, name: &str, text: &str) -> Self {
        let file = self.folder.path().join("bin").join(name);
        let calls = self.calls_file();
        fs::write(&file, format!("#!/bin/sh\necho {name} \"$@\" >> {}\n{text}\n", calls.display())).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
        self
    }

    /// Everything but what a test then takes away or replaces.
    fn with_everything() -> Self {
        let names = ["blender", "chromium", "npm", "cc", "cargo-nextest", "cargo-deny", "apt-get"];
        let machine = names.into_iter().fold(Self::new(), |machine, name| machine.with(name, ""));
        machine.with("id", "echo 0").with("node", "echo v22.1.0").with("python3", "echo 3.13")
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.folder.path().join("bin").join(name)).unwrap();
        self
    }

    fn calls_file(&self) -> PathBuf {
        self.folder.path().join("calls")
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.calls_file()).unwrap_or_default()
    }

    /// Runs the tool without a terminal, as a build machine does; it must fail and say why.
    fn fails(&self, verb: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_ci"))
            .arg(verb)
            .env_clear()
            .env("PATH", self.folder.path().join("bin"))
            .env("HOME", self.folder.path())
            .env("CI", "true")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }
}

#[test]
fn an_old_node_is_told_before_npm_is_run() {
    let machine = Machine::with_everything().with("node", "echo v18.19.0");
    for verb in ["setup", "test", "web"] {
        let said = machine.fails(verb);
        assert!(said.contains("v18.19.0") && said.contains("20 or newer"), "{verb}: {said}");
    }
    assert!(!machine.calls().contains("npm "), "{}", machine.calls());
}

#[test]
fn without_python_3_11_it_says_so_loudly_and_goes_on() {
    let machine = Machine::with_everything().with("npm", "exit 7");
    let said = machine.fails("setup");
    assert!(said.contains("WARNING") && said.contains("exactly Python 3.11"), "{said}");
    assert!(said.contains("python3 is 3.13"), "{said}");
    assert!(!machine.calls().contains("venv"), "no environment of another version: {}", machine.calls());
    assert!(machine.calls().contains("npm "), "it went on: {}", machine.calls());
}

#[test]
fn a_missing_c_compiler_is_told() {
    let said = Machine::with_everything().without("cc").fails("setup");
    assert!(said.contains("no C compiler"), "{said}");
}

#[test]
fn sudo_is_not_to_ask_where_nobody_can_answer() {
    let machine = Machine::with_everything().without("chromium").with("id", "echo 1000");
    let machine = machine.with("sudo", "exit 1");
    let said = machine.fails("test");
    assert!(machine.calls().contains("sudo -n "), "{}", machine.calls());
    assert!(said.contains("sudo -n") && said.contains("apt-get"), "{said}");
    let said = machine.without("sudo").fails("test");
    assert!(said.contains("needs root") && said.contains("apt-get"), "{said}");
}

/// As `everything` installs it: last, after the front end.
#[test]
fn an_azurite_that_cannot_be_fetched_is_told_with_what_to_do() {
    let machine = Machine::with_everything();
    let said = machine.with("npm", "case \"$PWD\" in *azurite*) exit 7 ;; esac").fails("setup");
    for words in ["Azurite", "was not installed", "npm ping", "370 MB", "cargo ci setup"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
