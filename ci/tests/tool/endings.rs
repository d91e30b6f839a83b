//! However the tool ends, the programs of its farm end with it.
//!
//! A process of its own holds two programs by the farm's code, as `cargo ci demo` does. They write to the
//! same pipe as it does: its end is the end of all three.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use ci::farm::kept::{Rank, start};
use ci::farm::stop_on_signals;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far above what it takes, and below the time that ends a program that does not end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A program that says when it runs and when it was asked to end.
fn program(name: &str) -> Command {
    let mut shell = Command::new("sh");
    let text = format!(
        "trap 'kill $!; echo {name} ended; exit 0' TERM; sleep 600 >/dev/null 2>&1 & echo {name} runs; wait"
    );
    shell.args(["-c", &text]);
    shell
}

/// The other process of the tests below: the tool with its farm, until it is ended.
#[test]
#[ignore = "only as a process of its own"]
fn hold_a_farm() {
    if std::env::var_os("HOLD_LIKE_THE_DEMO").is_some() {
        stop_on_signals().unwrap();
    }
    // From a thread that is gone at once: the programs stay for as long as the process does.
    let starting = std::thread::spawn(|| {
        let cloud = start(program("cloud"), Rank::Cloud).unwrap();
        (start(program("worker"), Rank::Worker).unwrap(), cloud)
    });
    let _held = starting.join().unwrap();
    loop {
        std::thread::park();
    }
}

fn tool() -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "endings::hold_a_farm", "--ignored", "--nocapture"])
        .env("HOLD_LIKE_THE_DEMO", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends the signal when both programs run; how the tool ended, and which of its programs did, in order.
fn ended_by(signal: Signal) -> (ExitStatus, Vec<String>) {
    let mut tool = tool();
    let pipe = tool.stdout.take().unwrap();
    let (tell, told) = sync_channel(64);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    let (mut begun, mut ended) = (0, Vec::new());
    while begun < 2 {
        begun += usize::from(told.recv_timeout(PATIENCE).unwrap().ends_with(" runs"));
    }
    kill(Pid::from_raw(tool.id().cast_signed()), signal).unwrap();
    // The channel closes when nobody holds the pipe any more: neither the tool nor its programs.
    loop {
        match told.recv_timeout(PATIENCE) {
            Ok(line) => ended.extend(line.strip_suffix(" ended").map(str::to_owned)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("a program outlives its tool"),
        }
    }
    (tool.wait().unwrap(), ended)
}

#[test]
fn a_signal_stops_workers_first_and_then_the_cloud() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let (status, ended) = ended_by(signal);
        assert_eq!(ended, ["worker", "cloud"], "{signal}");
        assert_eq!(status.code(), Some(128 + signal as i32), "{signal}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_tool_that_is_killed_takes_its_programs_along() {
    let (status, mut ended) = ended_by(Signal::SIGKILL);
    ended.sort();
    assert_eq!(ended, ["cloud", "worker"]);
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
}
