use std::collections::BTreeSet;

use pictor_actors::ids::{AccountId, JobId, TaskId, WorkerId};
use pictor_actors::protocol::assignment::RenderEngine::{Cycles, Eevee, Simulated};
use pictor_actors::units::UnixMillis;
use proptest::prelude::*;

use super::solve::holds;
use super::*;

mod reference;

fn slot(worker: u128, number: u16) -> SlotIn {
    SlotIn {
        worker: WorkerId::from_u128(worker),
        slot: number,
        engines: vec![Cycles],
        has_gpu: false,
        leases_held: 0,
        warm_job: None,
        rested: false,
    }
}

/// Task `number` of job `job` of account `account`; older jobs have lower numbers.
fn task(account: u128, job: u128, number: u128) -> TaskIn {
    TaskIn {
        task: TaskId::from_u128(job * 1_000 + number),
        job: JobId::from_u128(job),
        account: AccountId::from_u128(account),
        priority: 50,
        job_created_at: UnixMillis(i64::try_from(job).unwrap()),
        engine: Some(Cycles),
        failed_on: BTreeSet::new(),
        running_of_account: 0,
    }
}

fn problem(slots: Vec<SlotIn>, tasks: Vec<TaskIn>) -> Problem {
    Problem { slots, tasks, absent: Vec::new(), grants_max: 100 }
}

/// (worker, slot, job, ahead) of each grant, in order.
fn placed(problem: &Problem) -> Vec<(WorkerId, u16, JobId, bool)> {
    let plan = solve(problem);
    assert_eq!(holds(problem, &plan), Ok(()));
    plan.grants.iter().map(|grant| (grant.worker, grant.slot, grant.job, grant.ahead)).collect()
}

fn at(worker: u128, slot: u16, job: u128, ahead: bool) -> (WorkerId, u16, JobId, bool) {
    (WorkerId::from_u128(worker), slot, JobId::from_u128(job), ahead)
}

#[test]
fn idle_slots_first_then_one_ahead_each() {
    let tasks = (1..=5).map(|number| task(1, 1, number)).collect();
    assert_eq!(
        placed(&problem(vec![slot(1, 0), slot(2, 0)], tasks)),
        [at(1, 0, 1, false), at(2, 0, 1, false), at(1, 0, 1, true), at(2, 0, 1, true)]
    );
}

#[test]
fn higher_priority_first_then_the_account_with_fewer_leases_then_the_older_job() {
    let urgent = TaskIn { priority: 60, ..task(1, 9, 1) };
    let busy_account = TaskIn { running_of_account: 3, ..task(1, 1, 1) };
    let urgent = TaskIn { running_of_account: 3, ..urgent };
    let tasks = vec![busy_account, task(2, 3, 1), task(2, 2, 1), urgent];
    assert_eq!(
        placed(&problem(vec![slot(1, 0), slot(1, 1)], tasks)),
        [at(1, 0, 9, false), at(1, 1, 2, false), at(1, 0, 3, true), at(1, 1, 1, true)]
    );
}

#[test]
fn a_warm_slot_gets_its_own_job_and_a_gpu_goes_before_the_cpu() {
    let warm = SlotIn { warm_job: Some(JobId::from_u128(2)), ..slot(1, 0) };
    let gpu = SlotIn { has_gpu: true, ..slot(3, 0) };
    let tasks = vec![task(1, 1, 1), task(2, 2, 1)];
    assert_eq!(
        placed(&problem(vec![warm, slot(2, 0), gpu], tasks)),
        [at(3, 0, 1, false), at(1, 0, 2, false)]
    );
}

#[test]
fn the_engine_must_be_there_and_a_rested_worker_gets_nothing() {
    let eevee = TaskIn { engine: Some(Eevee), ..task(1, 1, 1) };
    let unknown = TaskIn { engine: None, ..task(1, 2, 1) };
    let rested = SlotIn { rested: true, engines: vec![Eevee], ..slot(1, 0) };
    let bare = SlotIn { engines: vec![], ..slot(2, 0) };
    assert_eq!(placed(&problem(vec![rested, bare, slot(3, 0)], vec![eevee, unknown])), [at(3, 0, 2, false)]);
}

#[test]
fn a_simulated_worker_never_gets_a_real_job_nor_a_real_one_a_simulated_job() {
    let simulated = SlotIn { engines: vec![Simulated], ..slot(1, 0) };
    let any = TaskIn { engine: None, ..task(1, 1, 1) };
    let made_up = TaskIn { engine: Some(Simulated), ..task(1, 3, 1) };
    let tasks = vec![any, task(1, 2, 1), made_up];
    assert_eq!(placed(&problem(vec![simulated.clone()], tasks.clone())), [at(1, 0, 3, false)]);
    let real = placed(&problem(vec![slot(2, 0)], tasks));
    assert_eq!(real, [at(2, 0, 1, false), at(2, 0, 2, true)]);
}

#[test]
fn not_the_worker_it_failed_on_if_another_can_even_later() {
    let failed = TaskIn { failed_on: BTreeSet::from([WorkerId::from_u128(1)]), ..task(1, 1, 1) };
    let busy = SlotIn { leases_held: 2, ..slot(2, 0) };
    let waits = problem(vec![slot(1, 0), busy], vec![failed.clone(), task(1, 1, 2)]);
    assert_eq!(placed(&waits), [at(1, 0, 1, false)]);
    assert_eq!(solve(&waits).grants[0].task, task(1, 1, 2).task);
    assert_eq!(placed(&problem(vec![slot(1, 0)], vec![failed])), [at(1, 0, 1, false)]);
}

#[test]
fn each_waiting_job_has_its_reasons_in_words() {
    let full = SlotIn { leases_held: 2, ..slot(1, 0) };
    let warm = SlotIn { warm_job: Some(JobId::from_u128(1)), ..SlotIn { leases_held: 2, ..slot(2, 0) } };
    let rested = SlotIn { rested: true, ..slot(3, 0) };
    let eevee = TaskIn { engine: Some(Eevee), ..task(1, 2, 1) };
    let asked = problem(vec![full, warm, rested], vec![task(1, 1, 1), eevee]);
    let reasons = why(&asked, &solve(&asked));
    assert_eq!(
        words(&reasons[&JobId::from_u128(1)], &[]),
        [
            "1 slot is rested after failed attempts",
            "1 slot is busy with other frames of this job",
            "1 slot is busy with other jobs"
        ]
    );
    assert_eq!(
        words(&reasons[&JobId::from_u128(2)], &[]),
        ["1 slot is rested after failed attempts", "2 slots cannot render with EEVEE"]
    );
    let nobody = problem(vec![], vec![task(1, 1, 1)]);
    let reasons = why(&nobody, &solve(&nobody));
    assert_eq!(words(&reasons[&JobId::from_u128(1)], &[]), ["no worker is online"]);
}

#[test]
fn workers_that_take_nothing_are_told_with_their_cause() {
    use Absence::{
        Declined, Delivering, Faulty, Finishing, LowDisk, NoBlender, NoSlot, Paused, PausedByOwner, Silent,
        Updating,
    };
    let nobody = problem(vec![], vec![task(1, 1, 1)]);
    let dropped = &why(&nobody, &solve(&nobody))[&JobId::from_u128(1)];
    assert_eq!(
        words(dropped, &[PausedByOwner]),
        ["no worker takes work now: 1 worker is paused by its owner"]
    );
    assert_eq!(
        words(dropped, &[NoBlender, PausedByOwner, PausedByOwner]),
        ["no worker takes work now: 2 workers are paused by their owners; 1 worker is paused because no \
          Blender was found there"]
    );
    let rested = problem(vec![SlotIn { rested: true, ..slot(1, 0) }], vec![task(1, 1, 1)]);
    let dropped = &why(&rested, &solve(&rested))[&JobId::from_u128(1)];
    let one_of_each = [
        PausedByOwner,
        LowDisk,
        NoBlender,
        Paused,
        Finishing,
        Delivering,
        Updating,
        Faulty,
        Silent,
        NoSlot,
        Declined,
    ];
    let mut two_of_each = [one_of_each, one_of_each].concat();
    two_of_each.reverse();
    let lines = [words(dropped, &one_of_each), words(dropped, &two_of_each)].concat();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_whole_table() {
    let warm = |leases_held, job| SlotIn { leases_held, warm_job: Some(JobId::from_u128(job)), ..slot(1, 0) };
    let slots = [
        ("cold and free", slot(1, 0)),
        ("warm for the job and free", warm(0, 1)),
        ("warm for another job and free", warm(0, 2)),
        ("runs one of the job", warm(1, 1)),
        ("runs one of another job", warm(1, 2)),
        ("full with the job", warm(2, 1)),
        ("full with another job", warm(2, 2)),
        ("rested", SlotIn { rested: true, ..slot(1, 0) }),
        ("without an engine", SlotIn { engines: vec![], ..slot(1, 0) }),
    ];
    let tasks = [
        ("its engine", task(1, 1, 1)),
        ("any engine", TaskIn { engine: None, ..task(1, 1, 1) }),
        ("an engine that is not here", TaskIn { engine: Some(Eevee), ..task(1, 1, 1) }),
        ("failed here", TaskIn { failed_on: BTreeSet::from([WorkerId::from_u128(1)]), ..task(1, 1, 1) }),
    ];
    insta::assert_snapshot!(crate::table::table(&slots, &tasks, |slot, task| {
        let alone = problem(vec![slot.clone()], vec![task.clone()]);
        let plan = solve(&alone);
        match plan.grants.first() {
            Some(grant) if grant.ahead => "granted, one ahead".to_owned(),
            Some(_) => "granted".to_owned(),
            None => format!("waits: {}", words(&why(&alone, &plan)[&task.job], &[]).join("; ")),
        }
    }));
}

#[test]
fn what_is_on_its_way_is_not_granted_again() {
    let asked = problem(vec![slot(1, 0)], vec![task(1, 1, 1), task(1, 1, 2)]);
    let plan = solve(&asked);
    let rest = plan.clone().without(&BTreeSet::from([plan.grants[0].task]));
    assert_eq!(rest.grants, plan.grants[1..]);
}

fn any_slot() -> impl Strategy<Value = SlotIn> {
    (1u128..6, 0u16..3, 0u8..=2, prop::option::of(1u128..5), any::<[bool; 4]>()).prop_map(
        |(worker, number, leases_held, warm, [cycles, eevee, has_gpu, rested])| SlotIn {
            engines: [(cycles, Cycles), (eevee, Eevee)]
                .iter()
                .filter(|(has, _)| *has)
                .map(|(_, e)| *e)
                .collect(),
            has_gpu,
            leases_held,
            warm_job: warm.map(JobId::from_u128),
            rested: rested && worker == 1,
            ..slot(worker, number)
        },
    )
}

fn any_task() -> impl Strategy<Value = TaskIn> {
    (1u128..5, 0u128..20, prop::collection::btree_set(1u128..6, 0..3)).prop_map(|(job, number, failed)| {
        TaskIn {
            priority: if job == 3 { 70 } else { 50 },
            engine: [Some(Cycles), Some(Eevee), None][usize::try_from(job % 3).unwrap()],
            failed_on: failed.into_iter().map(WorkerId::from_u128).collect(),
            running_of_account: u32::try_from(job % 2).unwrap() * 2,
            ..task(job % 2, job, number)
        }
    })
}

fn any_problem() -> impl Strategy<Value = Problem> {
    (prop::collection::vec(any_slot(), 0..10), prop::collection::vec(any_task(), 0..30), 1usize..40).prop_map(
        |(mut slots, mut tasks, grants_max)| {
            slots.sort_by_key(|slot| (slot.worker, slot.slot));
            slots.dedup_by_key(|slot| (slot.worker, slot.slot));
            tasks.sort_by_key(|task| task.task);
            tasks.dedup_by_key(|task| task.task);
            Problem { slots, tasks, absent: Vec::new(), grants_max }
        },
    )
}

proptest! {
    #[test]
    fn plans_hold_to_the_rules_and_do_not_depend_on_the_order_of_what_is_asked(problem in any_problem()) {
        let plan = solve(&problem);
        prop_assert_eq!(holds(&problem, &plan), Ok(()));
        prop_assert!(plan.grants.len() <= problem.grants_max);
        let mut turned = problem.clone();
        turned.slots.reverse();
        turned.tasks.reverse();
        prop_assert_eq!(solve(&turned), plan);
    }

    #[test]
    fn solving_again_changes_nothing(problem in any_problem()) {
        let problem = Problem { grants_max: 1_000, ..problem };
        let plan = solve(&problem);
        prop_assert_eq!(solve(&problem.clone().after(&plan)).grants, vec![]);
    }

    #[test]
    fn nothing_waits_without_a_reason(problem in any_problem()) {
        let problem = Problem { grants_max: 1_000, ..problem };
        let plan = solve(&problem);
        let reasons = why(&problem, &plan);
        let granted: BTreeSet<_> = plan.grants.iter().map(|grant| grant.task).collect();
        let waiting: BTreeSet<_> =
            problem.tasks.iter().filter(|task| !granted.contains(&task.task)).map(|task| task.job).collect();
        prop_assert_eq!(reasons.keys().copied().collect::<BTreeSet<_>>(), waiting);
        for dropped in reasons.values() {
            prop_assert!(!words(dropped, &[]).is_empty());
            prop_assert_eq!(dropped.values().sum::<usize>(), problem.slots.len());
            prop_assert!(!dropped.contains_key(&Rule::NextTurn), "{:?}", dropped);
        }
    }

    #[test]
    fn the_plan_and_its_reasons_are_those_of_the_rules_read_one_by_one(problem in any_problem()) {
        let plan = solve(&problem);
        prop_assert_eq!(&plan, &reference::solve(&problem));
        prop_assert_eq!(why(&problem, &plan), reference::why(&problem, &plan));
    }
}
