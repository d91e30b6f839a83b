//! What `doctor` says of the cloud: whether this machine is enrolled, whether the cloud would let it in, and
//! how far the two clocks are apart.
//!
//! While a worker runs with the data folder, that one knows and is asked; a second connection would take the
//! place of its own. Otherwise the cloud itself is, by the handshake that the worker would make.

use pictor_actors::now::{Clock, SystemClock};
use pictor_actors::protocol::{Refusal, RefusalCode};
use pictor_actors::units::Millis;

use super::{Check, Verdict};
use crate::cloud::standing::{CLOCK_OFF_MIN, Standing, standing};
use crate::config::{DataDir, identity};
use crate::control::{Answer, CloudView, Connection, ControlError, Request, ask};

const REACH: &str = "see whether the cloud runs, and whether a firewall or proxy lets this machine through";
const SET_CLOCK: &str =
    "set this machine's clock: switch time synchronisation on (`timedatectl set-ntp true`)";
const IMPORT_ANEW: &str = "get a new configuration file from the worker's page in the cloud (or make a new \
                           worker there) and run `pictor-worker import --replace FILE`";

pub(super) async fn checks(data: &DataDir) -> Vec<Check> {
    let (known, key) = match identity::load(data) {
        Ok(known) => known,
        Err(problem) => {
            let fix = "import the configuration file of this worker's set-up page";
            return vec![Check::fault("enrolment", Verdict::Bad, problem.to_string(), fix)];
        }
    };
    let mut checks = vec![Check::good("enrolment", format!("worker '{}' ({})", known.name, known.worker))];
    checks.extend(match ask(data, &Request::Status).await {
        Ok(Answer::Status(status)) => of_running(&status.cloud),
        Err(ControlError::NotRunning) => {
            of_standing(known.cloud.as_str(), standing(&known, &key, || SystemClock.now().wall).await)
        }
        Ok(Answer::Starting) => {
            vec![Check::fault(
                "cloud",
                Verdict::Lacking,
                "the worker is just starting",
                "ask again in a moment",
            )]
        }
        Ok(Answer::Done | Answer::Resumed { .. } | Answer::Failed { .. })
        | Err(ControlError::Silent | ControlError::Broken(_)) => {
            let found = "a worker runs with this data folder and does not say how it stands";
            let fix = "look at `pictor-worker logs`, and restart it if that does not help";
            vec![Check::fault("cloud", Verdict::Bad, found, fix)]
        }
    });
    checks
}

/// By the worker that runs.
fn of_running(view: &CloudView) -> Vec<Check> {
    let because = view.because.as_deref().map_or(String::new(), |why| format!(": {why}"));
    let says = |what: &str| format!("the worker that runs {what} {}{because}", view.address);
    let line = match view.connection {
        Connection::Connected => Check::good("cloud", says("is connected to")),
        Connection::Connecting => {
            Check::fault("cloud", Verdict::Lacking, says("is connecting to"), "ask again in a moment")
        }
        Connection::Away => Check::fault("cloud", Verdict::Bad, says("does not reach"), REACH),
        Connection::Refused => Check::fault("cloud", Verdict::Bad, says("is refused by"), IMPORT_ANEW),
    };
    // Without a connection nobody knows the cloud's time.
    let is_known = view.clock_off_ms.is_some() || view.connection == Connection::Connected;
    let clock = is_known.then(|| clock(Millis(view.clock_off_ms.unwrap_or(0))));
    std::iter::once(line).chain(clock).collect()
}

/// By the cloud.
fn of_standing(cloud: &str, answer: Result<Standing, String>) -> Vec<Check> {
    let standing = match answer {
        Ok(standing) => standing,
        Err(why) => {
            let found = format!("{cloud} is not reached: {why}");
            return vec![Check::fault("cloud", Verdict::Bad, found, REACH)];
        }
    };
    let line = match &standing.refusal {
        None => Check::good("cloud", format!("{cloud} knows this worker and would let it in")),
        Some(refusal) => {
            let found = format!("{cloud} refuses this worker: {}", refusal.message);
            Check::fault("cloud", Verdict::Bad, found, advice(refusal))
        }
    };
    vec![line, clock(standing.clock_off)]
}

fn advice(refusal: &Refusal) -> &'static str {
    match refusal.code {
        RefusalCode::UnknownWorker | RefusalCode::BadSignature | RefusalCode::KeyMismatch => IMPORT_ANEW,
        RefusalCode::VersionUnsupported => {
            "install the version of pictor-worker that the cloud's operator names"
        }
        RefusalCode::TooMany | RefusalCode::Unavailable | RefusalCode::Replaced => {
            "try again in a minute; if it stays so, ask the cloud's operator"
        }
        RefusalCode::EnrolmentUsed
        | RefusalCode::EnrolmentExpired
        | RefusalCode::EnrolmentUnknown
        | RefusalCode::Malformed => "ask the cloud's operator: worker and cloud do not understand each other",
    }
}

fn clock(off: Millis) -> Check {
    if off < CLOCK_OFF_MIN {
        return Check::good("clock", format!("within {} s of the cloud's", CLOCK_OFF_MIN.0 / 1_000));
    }
    Check::fault("clock", Verdict::Lacking, format!("{} s off the cloud's", off.0 / 1_000), SET_CLOCK)
}

#[cfg(test)]
mod tests {
    use pictor_actors::protocol::Retry;
    use pictor_actors::units::UnixMillis;

    use super::*;

    fn verdicts(checks: &[Check]) -> Vec<(&str, Verdict)> {
        checks.iter().map(|check| (check.name, check.verdict)).collect()
    }

    fn all_faults_are_advised(checks: &[Check]) {
        for check in checks {
            let is_advised = check.fix.as_ref().is_some_and(|fix| !fix.is_empty());
            assert_eq!(is_advised, check.verdict != Verdict::Good, "{}", check.line());
        }
    }

    #[test]
    fn each_answer_of_the_cloud_has_its_verdict_and_advice() {
        let refused = |code| {
            let refusal = Refusal { code, message: "no".into(), retry: Retry::Never };
            of_standing("http://cloud/", Ok(Standing { clock_off: Millis(0), refusal: Some(refusal) }))
        };
        for code in [
            RefusalCode::UnknownWorker,
            RefusalCode::BadSignature,
            RefusalCode::VersionUnsupported,
            RefusalCode::TooMany,
            RefusalCode::Malformed,
        ] {
            let checks = refused(code);
            assert_eq!(verdicts(&checks), [("cloud", Verdict::Bad), ("clock", Verdict::Good)], "{code:?}");
            all_faults_are_advised(&checks);
        }
        let away = of_standing("http://cloud/", Err("connection refused".into()));
        assert_eq!(verdicts(&away), [("cloud", Verdict::Bad)], "of its clock nothing is known");
        all_faults_are_advised(&away);
    }

    #[test]
    fn a_clock_that_is_half_a_minute_off_is_warned_about() {
        for (off, wanted) in
            [(29_999, Verdict::Good), (30_000, Verdict::Lacking), (7_200_000, Verdict::Lacking)]
        {
            let checks = of_standing("x", Ok(Standing { clock_off: Millis(off), refusal: None }));
            assert_eq!(verdicts(&checks), [("cloud", Verdict::Good), ("clock", wanted)], "{off}");
            all_faults_are_advised(&checks);
        }
    }

    #[test]
    fn a_running_worker_is_believed() {
        let view = |connection, clock_off_ms| CloudView {
            address: "http://cloud/".into(),
            connection,
            since: UnixMillis(0),
            because: Some("the line broke".into()),
            clock_off_ms,
        };
        for (connection, off, wanted) in [
            (Connection::Connected, None, vec![("cloud", Verdict::Good), ("clock", Verdict::Good)]),
            (Connection::Away, None, vec![("cloud", Verdict::Bad)]),
            (Connection::Away, Some(90_000), vec![("cloud", Verdict::Bad), ("clock", Verdict::Lacking)]),
            (Connection::Connecting, None, vec![("cloud", Verdict::Lacking)]),
            (Connection::Refused, None, vec![("cloud", Verdict::Bad)]),
        ] {
            let checks = of_running(&view(connection, off));
            assert_eq!(verdicts(&checks), wanted, "{connection:?}");
            all_faults_are_advised(&checks);
        }
    }
}
