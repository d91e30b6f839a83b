//! A job's inputs on their way to a worker.

use pictor_actors::ids::{JobId, TaskId};
use pictor_actors::protocol::assignment::InputManifest;
use pictor_cloud::store::NewTaskRow;
use serde_json::json;

use super::zips::zip_of;
use super::{hash_of, upload};
use crate::harness::TestApp;

#[tokio::test]
async fn a_job_may_ask_for_made_up_pictures_only_where_the_operator_allows_them() {
    let ask = async |app: &TestApp| {
        let program = app.token("jobs").await;
        let uploaded = upload(&program, "a.blend", b"BLENDER-v304 and no scene").await.value();
        let new = json!({ "blake3": uploaded["blake3"], "frames": "1", "engine": "simulated" });
        program.post("/api/v1/jobs", &new).await
    };
    let refused = ask(&TestApp::start().await).await;
    assert_eq!(
        (refused.status, &refused.value()["fields"][0]["field"]),
        (422, &json!("engine")),
        "{refused}"
    );
    let allowed = ask(&TestApp::start_with(|config| config.simulation.allowed = true).await).await;
    assert_eq!(allowed.status, 201, "{allowed}");
    assert_eq!(allowed.value()["settings"]["engine"], "simulated");
}

#[tokio::test]
async fn a_worker_reads_the_inputs_of_its_leases_and_nothing_else() {
    let app = TestApp::start().await;
    let (program, worker) = (app.token("jobs").await, app.worker().await);
    let texture: Vec<u8> = (0..=255).collect();
    let zip = zip_of(&[("a.blend", b"BLENDER a"), ("textures/wood.png", &texture)]);
    let uploaded = upload(&program, "a.zip", &zip).await.value();
    let new = json!({ "blake3": uploaded["blake3"], "frames": "1-3", "paused": true });
    let job = program.post("/api/v1/jobs", &new).await;
    assert_eq!(job.status, 201, "{job}");
    let id: JobId = job.value()["id"].as_str().unwrap().parse().unwrap();
    let (inputs, wood) =
        (format!("/api/v1/jobs/{id}/inputs"), format!("/api/v1/blobs/{}", hash_of(&texture)));
    for path in [&inputs, &wood] {
        assert_eq!(worker.client.get(path).await.status, 404, "without a lease: {path}");
    }
    app.store.resume_job(id, app.now()).await.unwrap();
    let task = NewTaskRow { id: TaskId::generate(), frames: "1-3".into(), frames_total: 3 };
    // The farm may have been quicker with a task of its own: any of the job's tasks will do.
    let _ = app.store.cut_tasks(id, 0, &[task], app.now()).await;
    let pending = app.store.open_tasks_of(id).await.unwrap().remove(0);
    app.grant(pending.id, worker.row.id, pending.fence).await;

    let manifest: InputManifest = worker.client.get(&inputs).await.json();
    assert_eq!(manifest.main, "a.blend");
    let paths: Vec<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.blend", "textures/wood.png"]);
    let whole = worker.client.get(&wood).await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, texture.as_slice()));
    let rest = worker.client.with("range", "bytes=200-").get(&wood).await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &texture[200..]), "a download is resumed");
    assert_eq!(rest.header("content-range"), "bytes 200-255/256");
    let outside = worker.client.with("range", "bytes=256-").get(&wood).await;
    assert_eq!((outside.status, outside.code().as_str()), (416, "range_not_satisfiable"), "{outside}");
    let zip_itself = format!("/api/v1/blobs/{}", hash_of(&zip));
    assert_eq!(worker.client.get(&zip_itself).await.status, 404, "not one of the inputs");
    assert_eq!(program.get(&zip_itself).await.status, 200, "its owner may read it");
    let other = app.worker_of(&app.stranger().await, "elsewhere").await;
    for path in [&inputs, &wood] {
        assert_eq!(other.client.get(path).await.status, 404, "{path}");
    }
}
