//! Texts that workers and persons send.

use pictor_actors::ids::LinkId;
use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::outcome::WarningClass;
use pictor_cloud::store::{AttemptEnd, Failure, PageRequest, Store, TaskGoes, WorkerSort};
use pictor_cloud_domain::lease::{LeaseState, Outcome};

use crate::farm::{T0, at, granted, hello, scene, worker};

/// PostgreSQL refuses a zero byte in a text; one attempt's message must not keep its end from being stored.
pub async fn a_zero_byte_in_a_text_breaks_no_write(store: Store) {
    let scene = scene(&store, 2, 1).await;
    let rig = worker(&store, scene.account.id, "ri\0g").await;
    assert_eq!(rig.name, "ri\u{fffd}g");
    let mut hello = hello(rig.id);
    hello.app_version = "0.1\0".to_owned();
    hello.machine.hostname = "\0host".to_owned();
    let opened = store.open_link(rig.id, LinkId::generate(), "b", &hello, T0).await.unwrap().row;
    assert_eq!(opened.app_version.as_deref(), Some("0.1\u{fffd}"));
    assert_eq!(opened.hostname.as_deref(), Some("\u{fffd}host"));
    assert_eq!(opened.machine, Some(hello.machine), "JSON has its own way to say it");
    let found = async |search: &'static str| -> Vec<String> {
        let page = PageRequest::default();
        let found = store.list_workers(scene.account.id, WorkerSort::Name, Some(search), &page).await;
        found.unwrap().rows.into_iter().map(|row| row.name).collect()
    };
    assert_eq!(found("i\0").await, ["ri\u{fffd}g"]);
    let lease = granted(&store, &scene.tasks[0], rig.id).await;
    let (engine, device) = (Some("Blender\0"), Some("\0CPU"));
    store.mark_lease(lease.id, lease.fence, LeaseState::Running, engine, device, at(1)).await.unwrap();
    let marked = store.lease(lease.id).await.unwrap();
    assert_eq!(marked.device.as_deref(), Some("\u{fffd}CPU"));
    store.add_job_warning(scene.job.id, WarningClass::MissingFile, "no \0 file", at(1)).await.unwrap();
    let class = FailureClass::Crash;
    let end = AttemptEnd {
        outcome: Outcome::Failed,
        failure: Some(Failure { class, message: "bo\0om".to_owned() }),
        task_goes: TaskGoes::Failed { class, message: "given\0up".to_owned() },
        worker_fault: None,
    };
    let ended = store.end_attempt(lease.id, lease.fence, &end, at(2)).await.unwrap();
    assert_eq!(ended.lease.failure_message.as_deref(), Some("bo\u{fffd}om"));
    assert_eq!(ended.task.failure_message.as_deref(), Some("given\u{fffd}up"));
}
