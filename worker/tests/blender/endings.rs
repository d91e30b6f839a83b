//! What a program said before it ended is heard, whatever else goes on.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pictor_actors::protocol::FailureClass;
use pictor_worker::engines::{Engine, EngineEvent, EngineFailure};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::support::Rig;

const SAYS_WHY: &str = r#"{"say":"failed","kind":"no_camera","text":"there is no camera"}"#;

/// A rig whose program is this script of `sh`.
fn scripted(script: &str) -> Rig {
    let mut rig = Rig::new("moving.blend");
    let path = rig.dir.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    rig.request.software.path = path.to_string_lossy().into_owned();
    rig
}

/// The failure of the start, heard by somebody slow who takes no event before the program has ended, and what
/// came as events.
async fn heard_late(rig: &Rig) -> (EngineFailure, Vec<EngineEvent>) {
    let (sender, mut events) = mpsc::channel(1);
    let start = tokio::spawn(rig.engine.start(rig.request.clone(), sender));
    let number = rig.dir.path().join("scratch/number");
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let waits = async {
        while !std::fs::read_to_string(&number).is_ok_and(|number| has_ended(number.trim())) {
            tick.tick().await;
        }
        // The runtime hears of it.
        tick.tick().await;
    };
    timeout(Duration::from_secs(30), waits).await.expect("the program did not get to its end");
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        seen.push(event);
        tick.tick().await;
    }
    (start.await.unwrap().err().expect("it started"), seen)
}

fn has_ended(number: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat"));
    !number.is_empty() && stat.map_or(true, |stat| stat.contains(") Z "))
}

/// So many warnings make the reader wait for its listener with the reason still unread.
fn many_words() -> String {
    let warning = r#"{"say":"warning","kind":"missing_file","text":"a texture"}"#;
    format!(
        "echo $$ > number\nfor n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20\n\
         do echo '{warning}'; done"
    )
}

#[tokio::test]
async fn the_reason_is_read_though_the_process_is_long_gone() {
    let rig = scripted(&format!("{}\necho '{SAYS_WHY}'", many_words()));
    let (failure, seen) = heard_late(&rig).await;
    assert_eq!(failure.class, FailureClass::NoCamera, "{failure}");
    assert_eq!(seen.len(), 20, "{seen:?}");
}

#[tokio::test]
async fn a_failed_start_says_nothing_after_its_failure() {
    let (failure, seen) = heard_late(&scripted(&format!("echo $$ > number\necho '{SAYS_WHY}'"))).await;
    assert_eq!((failure.class, seen), (FailureClass::NoCamera, Vec::new()));
}

#[tokio::test]
async fn a_child_that_keeps_the_pipes_open_is_ended_with_its_parent() {
    let rig = scripted(&format!("sleep 60 &\n{}\necho '{SAYS_WHY}'", many_words()));
    let (failure, _) = heard_late(&rig).await;
    assert_eq!(failure.class, FailureClass::NoCamera, "{failure}");
}

#[tokio::test]
async fn a_child_that_left_the_group_holds_up_nothing() {
    let rig = scripted(&format!("setsid sleep 60 &\necho $! > left\n{}\necho '{SAYS_WHY}'", many_words()));
    let (failure, _) = heard_late(&rig).await;
    let left = std::fs::read_to_string(rig.dir.path().join("scratch/left")).unwrap();
    let left = nix::unistd::Pid::from_raw(left.trim().parse().unwrap());
    nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(failure.class, FailureClass::NoCamera, "{failure}");
}

#[tokio::test]
async fn what_it_printed_last_explains_a_silent_end() {
    let rig = scripted("echo $$ > number\necho 'Error: Cannot render, no camera' >&2\nexit 3");
    let (failure, _) = heard_late(&rig).await;
    assert_eq!(failure.class, FailureClass::NoCamera, "{failure}");
}

#[tokio::test]
async fn a_session_that_is_over_says_why() {
    let rig = scripted(
        r#"read load
echo '{"say":"ready","device":"CPU","layers":1}'
echo '{"say":"failed","kind":"no_camera","text":"there is no camera"}'"#,
    );
    let mut running = match rig.start().await {
        Ok(running) => running,
        // It came together with the word that all is ready: then it is told at once.
        Err(refused) => return assert_eq!(refused.class, FailureClass::NoCamera, "{refused}"),
    };
    running.until_exited().await;
    let refused = running.session.render(1).unwrap_err();
    assert_eq!((refused.class, refused.frame), (FailureClass::NoCamera, Some(1)), "{refused}");
}
