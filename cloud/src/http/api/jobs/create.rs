//! A new job: what the creator asks for, checked against bounds and filled from the uploaded scene.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Json};
use pictor_actors::ids::{AccountId, JobId};
use pictor_actors::protocol::assignment::RenderEngine;
use pictor_actors::units::BlobHash;
use pictor_cloud_api::jobs::{Job, NewJob};
use pictor_cloud_api::problem::FieldProblem;
use pictor_cloud_api::uploads::{BlendScene, UploadContent};
use pictor_cloud_domain::job::{FieldError, FileFacts, JobPlan, JobRequest, JobState};

use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::ingest::PreparedInputs;
use crate::store::{JobRow, NewJobRow, between};

/// Creates a job from a completed upload of the account.
#[utoipa::path(post, path = "/api/v1/jobs", operation_id = "create_job", tag = "jobs",
    request_body = NewJob, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Job), (status = 422, body = pictor_cloud_api::problem::Problem)))]
pub async fn create_job(caller: SignedIn, state: Data<AppState>, new: Json<NewJob>) -> Answer<HttpResponse> {
    let row = create(&state, caller.id(), new.into_inner()).await?;
    let job = present::jobs::load_one(&state, &row).await?;
    let location = format!("/api/v1/jobs/{}", row.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(job))
}

/// Creates a job and tells the farm; pages use it as well.
///
/// # Errors
/// `invalid_input` with every wrong field, `main_needed`, `not_found` for an upload that is not complete.
pub async fn create(state: &AppState, account: AccountId, new: NewJob) -> Answer<JobRow> {
    let bad_hash = |_| Error::field("blake3", "use the BLAKE3 of a completed upload, 64 hexadecimal digits");
    let source_hash: BlobHash = new.blake3.parse().map_err(bad_hash)?;
    let main = new.main.as_deref().filter(|main| !main.is_empty());
    let inputs = state.ingest.prepare_inputs(account, source_hash, main).await?;
    let facts = facts_of(&inputs, new.scene.as_deref());
    let plan = JobPlan::check(&request_of(new), &facts).map_err(|wrong| wrong_fields(&wrong))?;
    check_simulation(state, plan.needs)?;
    let row = row_of(account, source_hash, inputs, plan);
    let creating = state.store.create_job(&row, state.wall());
    let row = between("job.before", creating, "job.after").await?;
    state.farm.job_changed(row.id);
    Ok(row)
}

/// A made-up picture must never be taken for a rendered one: only where the cloud's operator says so.
fn check_simulation(state: &AppState, needs: Option<RenderEngine>) -> Answer<()> {
    if needs != Some(RenderEngine::Simulated) || state.config.simulation.allowed {
        return Ok(());
    }
    let message = "this cloud does not simulate; give cycles, eevee or workbench (its operator allows \
                   simulation with the setting simulation.allowed)";
    Err(Error::field("engine", message))
}

fn request_of(new: NewJob) -> JobRequest {
    JobRequest {
        name: new.name,
        frames: new.frames,
        format: new.format,
        scene: new.scene,
        camera: new.camera,
        engine: new.engine,
        width: new.width,
        height: new.height,
        samples: new.samples,
        priority: new.priority,
        chunk: new.chunk,
        frame_time_limit_ms: new.frame_time_limit_ms,
        paused: new.paused,
    }
}

/// What the file says about the scene that will be rendered: the one asked for, else the active one.
fn facts_of(inputs: &PreparedInputs, scene: Option<&str>) -> FileFacts {
    let of_file = || inputs.content.scenes.iter().filter(|scene| scene.file == inputs.main);
    let is_known = of_file().next().is_some() && of_file().all(|scene| scene.is_list_whole);
    let find = |wanted| scene_of(&inputs.content, &inputs.main, wanted);
    // A scene that is refused by its name is not to be called one without frames as well.
    let instead = || find(None).filter(|_| is_known);
    let scene = find(scene.filter(|name| !name.trim().is_empty())).or_else(instead);
    let range = |scene: &BlendScene| {
        let step = scene.frame_step.and_then(|step| u32::try_from(step).ok()).filter(|step| *step > 0);
        Some((scene.frame_start?, scene.frame_end?, step.unwrap_or(1)))
    };
    FileFacts {
        file_name: inputs.file_name.clone(),
        frames: scene.and_then(range),
        engine: scene.and_then(|scene| scene.engine.as_deref()).and_then(engine_of),
        scenes: is_known.then(|| of_file().map(|scene| scene.name.clone()).collect()),
        cameras: is_known.then(|| cameras_of(scene.into_iter().chain(of_file()))),
    }
}

/// Each once, in the order of the scenes. Those of other scenes count: which objects a scene takes in is for
/// Blender to say.
fn cameras_of<'a>(scenes: impl Iterator<Item = &'a BlendScene>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in scenes.flat_map(|scene| &scene.cameras) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn scene_of<'a>(content: &'a UploadContent, main: &str, wanted: Option<&str>) -> Option<&'a BlendScene> {
    let mut scenes = content.scenes.iter().filter(|scene| scene.file == main);
    match wanted {
        Some(name) => scenes.find(|scene| scene.name == name),
        None => scenes.clone().find(|scene| scene.is_active).or_else(|| scenes.next()),
    }
}

fn engine_of(text: &str) -> Option<RenderEngine> {
    let engines = [RenderEngine::Cycles, RenderEngine::Eevee, RenderEngine::Workbench];
    engines.into_iter().find(|engine| present::jobs::engine_text(*engine) == text)
}

fn row_of(account: AccountId, source_hash: BlobHash, inputs: PreparedInputs, plan: JobPlan) -> NewJobRow {
    NewJobRow {
        id: JobId::generate(),
        account_id: account,
        name: plan.name,
        state: if plan.paused { JobState::Paused } else { JobState::Ready },
        priority: plan.priority,
        source_hash,
        inputs_hash: Some(inputs.inputs_hash),
        main: inputs.main,
        settings: plan.render,
        engine: plan.needs,
        frame_time_limit_ms: plan.frame_time_limit.0,
        frames_total: plan.frames.len(),
        frames: plan.frames.to_string(),
        chunk: plan.chunk,
    }
}

fn wrong_fields(wrong: &[FieldError]) -> Error {
    let field =
        |error: &FieldError| FieldProblem { field: error.field.into(), message: error.message.clone() };
    Error::fields(wrong.iter().map(field).collect())
}
