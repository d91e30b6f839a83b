use super::*;

fn worker(number: u128) -> WorkerId {
    WorkerId::from_u128(number)
}

fn failed(number: u128, class: FailureClass) -> FailedAttempt {
    FailedAttempt { worker: worker(number), class, in_good_standing: true }
}

fn judged(failures: &[FailedAttempt], able: &[u128]) -> (Verdict, bool) {
    let able = able.iter().copied().map(worker).collect();
    judge(&Record {
        failures,
        message: "signal 11",
        able: &able,
        job_has_frames: false,
        worker_failed_job_before: false,
    })
}

const CRASH: FailureClass = FailureClass::Crash;

#[test]
fn a_scene_without_a_camera_is_the_jobs_fault_at_once() {
    for class in [
        FailureClass::NoCamera,
        FailureClass::NeedsScripts,
        FailureClass::BadScene,
        FailureClass::MissingFile,
    ] {
        let (verdict, counts) = judged(&[failed(1, class)], &[1, 2]);
        assert_eq!(verdict, Verdict::JobFault { message: "signal 11".to_owned() });
        assert!(!counts);
    }
}

#[test]
fn a_crash_is_tried_on_another_worker_at_once_and_twice_the_same_is_the_jobs_fault() {
    assert_eq!(judged(&[failed(1, CRASH)], &[1, 2]), (Verdict::Again { after: Millis(0) }, true));
    let (verdict, counts) = judged(&[failed(1, CRASH), failed(2, CRASH)], &[1, 2]);
    assert!(!counts);
    assert_eq!(
        verdict,
        Verdict::JobFault {
            message:
                "Blender crashed on 2 workers that render other work well, so the scene is the likely cause; \
                      the last one said: signal 11"
                    .to_owned()
        }
    );
}

#[test]
fn two_different_failures_or_a_worker_of_bad_standing_are_no_second_opinion() {
    let different = [failed(1, CRASH), failed(2, FailureClass::TimeLimit)];
    assert!(matches!(judged(&different, &[1, 2, 3]).0, Verdict::Again { .. }));
    let bad = FailedAttempt { in_good_standing: false, ..failed(1, CRASH) };
    assert!(matches!(judged(&[bad, failed(2, CRASH)], &[1, 2, 3]).0, Verdict::Again { .. }));
}

#[test]
fn with_one_able_worker_three_attempts_with_growing_waits() {
    let crashes = [failed(1, CRASH); 3];
    assert_eq!(judged(&crashes[..1], &[1]).0, Verdict::Again { after: Millis(1_000) });
    assert_eq!(judged(&crashes[..2], &[1]).0, Verdict::Again { after: Millis(2_000) });
    let Verdict::JobFault { message } = judged(&crashes, &[1]).0 else { panic!("not given up") };
    assert_eq!(
        message,
        "Blender crashed 3 times, and no other worker can render it; the last time: signal 11"
    );
}

#[test]
fn a_full_disk_counts_against_the_worker_and_ends_after_five() {
    let full: Vec<_> = (1..=5).map(|number| failed(number, FailureClass::DiskFull)).collect();
    let able = [1, 2, 3, 4, 5, 6];
    assert_eq!(judged(&full[..4], &able), (Verdict::Again { after: Millis(0) }, true));
    let (verdict, counts) = judged(&full, &able);
    assert!(counts);
    assert_eq!(
        verdict,
        Verdict::GivenUp {
            message: "5 attempts on 5 workers failed; the last: disk full (signal 11)".to_owned()
        }
    );
}

#[test]
fn a_job_without_a_frame_cannot_spoil_a_workers_record_again_and_again() {
    let (failures, able) = ([failed(1, CRASH)], BTreeSet::from([worker(1)]));
    let record = Record {
        failures: &failures,
        message: "",
        able: &able,
        job_has_frames: false,
        worker_failed_job_before: true,
    };
    assert!(!judge(&record).1);
    assert!(judge(&Record { job_has_frames: true, ..record }).1);
    assert!(judge(&Record { worker_failed_job_before: false, ..record }).1);
}
