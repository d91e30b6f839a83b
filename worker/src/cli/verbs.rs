//! `status`, `pause`, `resume`: ask the worker that runs, print what it says.

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::heartbeat::SlotPhase;
use pictor_actors::protocol::{Pause, PauseReason, SearchPhase, Software, WorkerActivity};
use pictor_actors::units::{Millis, UnixMillis};
use pictor_worker_domain::presence::Span;

use super::{Exit, say};
use crate::config::{Content, DataDir, identity, pause as saved};
use crate::control::{Answer, Connection, ControlError, Request, SlotView, WorkerStatus, ask};

pub(super) async fn status(data: &DataDir, json: bool) -> Exit {
    match ask(data, &Request::Status).await {
        Ok(Answer::Status(status)) if json => {
            match serde_json::to_string_pretty(&status) {
                Ok(text) => say::line(&text),
                Err(error) => return say::fault(Exit::Failed, &error.to_string()),
            }
            exit_of(&status)
        }
        Ok(Answer::Status(status)) => {
            lines_of(&status, SystemClock.now().wall).iter().for_each(|line| say::line(line));
            exit_of(&status)
        }
        Ok(Answer::Starting) => {
            say::line(if json { "{\"activity\":{\"kind\":\"starting\"}}" } else { "starting" });
            Exit::Done
        }
        other => not_answered(data, other),
    }
}

pub(super) async fn pause(data: &DataDir, span: Option<Millis>) -> Exit {
    let until = span.map(|span| SystemClock.now().wall.plus(span));
    match ask(data, &Request::Pause { until }).await {
        Ok(Answer::Done) => {
            say::line(&format!("paused{}: what runs is finished, nothing new is taken", until_words(until)));
            Exit::Done
        }
        Err(ControlError::NotRunning) if has_worker(data) => {
            match saved::save(data, Some(until.map_or(Span::Open, Span::Until))) {
                Ok(()) => {
                    say::line(&format!(
                        "no worker runs; the next start will be paused{}",
                        until_words(until)
                    ));
                    Exit::Done
                }
                Err(error) => {
                    say::fault(Exit::Failed, &format!("the pause could not be written down: {error}"))
                }
            }
        }
        other => not_answered(data, other),
    }
}

pub(super) async fn resume(data: &DataDir) -> Exit {
    match ask(data, &Request::Resume).await {
        Ok(Answer::Resumed { still: None }) => {
            say::line("resumed");
            Exit::Done
        }
        Ok(Answer::Resumed { still: Some(pause) }) => {
            say::line(&format!("resumed here, but still paused: {}", pause_words(&pause)));
            Exit::Done
        }
        Err(ControlError::NotRunning) if has_worker(data) => match saved::save(data, None) {
            Ok(()) => {
                say::line("no worker runs; the next start will take work");
                Exit::Done
            }
            Err(error) => say::fault(Exit::Failed, &format!("the pause could not be lifted: {error}")),
        },
        other => not_answered(data, other),
    }
}

fn has_worker(data: &DataDir) -> bool {
    data.content().is_ok_and(|content| content == Content::Worker)
}

fn not_answered(data: &DataDir, answer: Result<Answer, ControlError>) -> Exit {
    match answer {
        Ok(Answer::Failed { why }) => say::fault(Exit::Failed, &why),
        Ok(Answer::Starting) => say::fault(Exit::Failed, "the worker is starting: try again in a moment"),
        Ok(Answer::Status(_) | Answer::Done | Answer::Resumed { .. }) => {
            say::fault(Exit::Failed, "the worker gave an answer to another question")
        }
        Err(error @ ControlError::NotRunning) => match identity::load_identity(data) {
            Ok(_) => say::fault(Exit::NotRunning, &error.to_string()),
            Err(problem) => say::fault(Exit::NotEnrolled, &problem.to_string()),
        },
        Err(error @ (ControlError::Silent | ControlError::Broken(_))) => {
            say::fault(Exit::Failed, &error.to_string())
        }
    }
}

fn exit_of(status: &WorkerStatus) -> Exit {
    match status.cloud.connection {
        Connection::Refused => Exit::Revoked,
        Connection::Connected | Connection::Connecting | Connection::Away => {
            let is_missing = matches!(status.pause, Some(Pause { reason: PauseReason::NoBlender, .. }));
            if is_missing { Exit::NoEngine } else { Exit::Done }
        }
    }
}

fn lines_of(status: &WorkerStatus, now: UnixMillis) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}", status.name, activity_words(&status.activity)),
        format!("  worker   {} · version {} · process {}", status.worker, status.app_version, status.pid),
        format!("  cloud    {} · {}", status.cloud.address, cloud_words(status, now)),
    ];
    if let Some(off) = status.cloud.clock_off_ms {
        lines.push(format!("  clock    {} s off: set this machine's clock", off / 1_000));
    }
    for slot in &status.slots {
        lines.extend(slot_lines(slot, now));
    }
    lines.extend(software_lines(status));
    if let Some(why) = &status.no_gpu_because {
        lines.push(format!("  no GPU   {why}"));
    }
    let outbox = &status.outbox;
    if outbox.frames > 0 {
        lines.push(format!(
            "  outbox   {} frames, {} wait for delivery",
            outbox.frames,
            size_words(outbox.bytes)
        ));
    }
    if let Some(why) = &outbox.refused_because {
        lines.push(format!(
            "  refused  {} frames are kept that the cloud refused: {why}",
            outbox.refused_frames
        ));
    }
    if let Some(free) = status.disk_free_bytes {
        lines.push(format!("  disk     {} free", size_words(free)));
    }
    lines
}

fn software_lines(status: &WorkerStatus) -> Vec<String> {
    let line = |software: &Software| {
        let Software { name, version, path, engines } = software;
        let engines: Vec<_> = engines.iter().map(|engine| format!("{engine:?}")).collect();
        let engines = if engines.is_empty() { "renders nothing".to_owned() } else { engines.join(", ") };
        format!("  software {name} {version} · {engines} · {path}")
    };
    let mut lines: Vec<_> = status.software.iter().map(line).collect();
    match status.software_search {
        SearchPhase::Running if lines.is_empty() => {
            lines.push("  software still looking for 3D software".into());
        }
        SearchPhase::Running => lines.push("           still looking for more".into()),
        SearchPhase::Done if lines.is_empty() => lines.push("  software none found".into()),
        SearchPhase::Done => {}
    }
    lines
}

fn slot_lines(slot: &SlotView, now: UnixMillis) -> Vec<String> {
    let device = slot.gpu.as_deref().map_or("CPU".to_owned(), |gpu| format!("GPU {gpu}"));
    let phase = match slot.phase {
        SlotPhase::Idle if !slot.enabled => "switched off",
        SlotPhase::Idle => "idle",
        SlotPhase::Fetching => "fetching inputs",
        SlotPhase::Loading => "loading",
        SlotPhase::Rendering => "rendering",
        SlotPhase::Stopping => "stopping",
    };
    let mut lines = vec![format!("  slot {}   {device} · {phase}", slot.slot)];
    let Some(task) = &slot.task else { return lines };
    lines.push(format!("           job {} ({}) · task {}", task.job, task.job_name, task.task));
    let frame = match (task.frame, task.frame_done) {
        (Some(frame), Some(done)) => format!(" · frame {frame} at {:.0} %", done * 100.0),
        (Some(frame), None) => format!(" · frame {frame}"),
        (None, _) => String::new(),
    };
    let left = task.done_at.map_or(String::new(), |at| format!(" · {} left", length_words(now.until(at))));
    lines.push(format!("           {} of {} frames{frame}{left}", task.frames_done, task.frames_total));
    lines
}

fn activity_words(activity: &WorkerActivity) -> String {
    match activity {
        WorkerActivity::Idle => "idle".to_owned(),
        WorkerActivity::Preparing => "preparing".to_owned(),
        WorkerActivity::Working => "working".to_owned(),
        WorkerActivity::Finishing => "finishing: takes nothing new".to_owned(),
        WorkerActivity::Paused(pause) => format!("paused: {}", pause_words(pause)),
        WorkerActivity::Updating => "updating".to_owned(),
        WorkerActivity::Error { reason } => format!("error: {reason}"),
    }
}

fn pause_words(pause: &Pause) -> String {
    let why = match &pause.reason {
        PauseReason::User => "by you, on this machine".to_owned(),
        PauseReason::Dashboard => "from the dashboard, where it can be lifted".to_owned(),
        PauseReason::LowDisk => "the disk is nearly full".to_owned(),
        PauseReason::NoBlender => {
            "no Blender was found; `pictor-worker doctor` says where it looked".to_owned()
        }
        PauseReason::Other { text } => text.clone(),
    };
    format!("{why}{}", until_words(pause.until))
}

fn until_words(until: Option<UnixMillis>) -> String {
    let at = until.and_then(|until| jiff::Timestamp::from_millisecond(until.0).ok());
    at.map_or(String::new(), |at| format!(" until {}", at.strftime("%Y-%m-%d %H:%M:%S UTC")))
}

fn cloud_words(status: &WorkerStatus, now: UnixMillis) -> String {
    let since = length_words(status.cloud.since.until(now));
    let because = status.cloud.because.as_deref().map_or(String::new(), |why| format!(": {why}"));
    match status.cloud.connection {
        Connection::Connected => format!("connected for {since}"),
        Connection::Connecting => format!("connecting{because}"),
        Connection::Away => format!("away for {since}{because}"),
        Connection::Refused => format!("refused{because}"),
    }
}

fn length_words(length: Millis) -> String {
    let seconds = length.0 / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600.. => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

fn size_words(bytes: u64) -> String {
    const STEP: u64 = 1024;
    match bytes {
        0..STEP => format!("{bytes} B"),
        STEP..1_048_576 => format!("{} KiB", bytes / STEP),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes / (STEP * STEP)),
        1_073_741_824.. => format!("{} GiB", bytes / (STEP * STEP * STEP)),
    }
}
