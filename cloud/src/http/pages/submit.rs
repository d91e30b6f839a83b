//! Submitting a job: the file, then its settings as read back from it.

use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use pictor_actors::units::BlobHash;
use pictor_cloud_api::jobs::NewJob;
use serde::Deserialize;

use super::send_file::FORM_FILE_BYTES_MAX;
use super::{Place, chrome, crumb, form_errors, needs_role, ok, refused, see};
use crate::http::api::jobs::create;
use crate::http::guards::SignedIn;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::Role;
use crate::views::Chrome;
use crate::views::format;
use crate::views::forms::FormErrors;
use crate::views::jobs::submit::{ChooseFilePage, SettingsPage, UploadedFile};

/// Which file.
#[derive(Debug, Deserialize)]
pub struct FileQuery {
    #[serde(default)]
    file: String,
}

/// The settings as typed; what is empty stays as the file says.
#[derive(Debug, Deserialize)]
pub struct SettingsForm {
    blake3: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    main: String,
    #[serde(default)]
    scene: String,
    #[serde(default)]
    camera: String,
    #[serde(default)]
    frames: String,
    #[serde(default)]
    engine: String,
    #[serde(default)]
    width: String,
    #[serde(default)]
    height: String,
    #[serde(default)]
    samples: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    priority: String,
    #[serde(default)]
    chunk: String,
    #[serde(default)]
    paused: String,
}

pub(super) fn page_chrome(request: &HttpRequest, caller: &SignedIn) -> Chrome {
    let mut chrome = chrome(request, caller, Place::Jobs, "Submit");
    chrome.crumbs = vec![crumb("Jobs", "/jobs")];
    chrome.scripts = vec!["submit.js"];
    chrome
}

/// `GET /jobs/new`, with `?file=` the settings.
pub async fn page(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    query: Query<FileQuery>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Creator)?;
    let chrome = page_chrome(&request, &caller);
    if query.file.is_empty() {
        return ok(&state, &chrome, &choose_file(&state, None));
    }
    let typed = NewJob { blake3: query.file.clone(), ..NewJob::default() };
    ok(&state, &chrome, &settings(&state, &caller, &typed, &FormErrors::default()).await?)
}

pub(super) fn choose_file(state: &AppState, error: Option<String>) -> ChooseFilePage {
    let size_max = format::bytes(state.config.limits.upload_bytes_max);
    ChooseFilePage { error, size_max, form_size_max: format::bytes(FORM_FILE_BYTES_MAX as u64) }
}

async fn settings(
    state: &AppState,
    caller: &SignedIn,
    typed: &NewJob,
    errors: &FormErrors,
) -> Answer<SettingsPage> {
    let hash: BlobHash = typed.blake3.parse().map_err(|_| Error::not_found("upload"))?;
    let upload = state.store.upload_content(caller.id(), hash).await?;
    let upload = upload.ok_or_else(|| Error::not_found("upload"))?;
    let content = upload.content.clone().unwrap_or_default();
    let file = UploadedFile {
        blake3: &typed.blake3,
        file_name: &upload.file_name,
        size: upload.size,
        content: &content,
    };
    Ok(SettingsPage::new(&file, typed, errors))
}

/// `POST /jobs`.
pub async fn submit(
    request: HttpRequest,
    caller: SignedIn,
    state: Data<AppState>,
    form: Form<SettingsForm>,
) -> Answer<HttpResponse> {
    needs_role(&caller, Role::Creator)?;
    let new = form.into_inner().read();
    let made = match &new {
        Ok(new) => create(&state, caller.id(), new.clone()).await,
        Err(wrong) => Err(wrong.1.clone()),
    };
    match made {
        Ok(row) => Ok(see(&format!("/jobs/{}?done=submitted", row.id))),
        Err(error) => {
            let Some(errors) = form_errors(&error) else { return Err(error) };
            let typed = new.unwrap_or_else(|wrong| wrong.0);
            let view = settings(&state, &caller, &typed, &errors).await?;
            refused(&state, &error, &page_chrome(&request, &caller), &view)
        }
    }
}

impl SettingsForm {
    /// As the API takes it, or what was read with the first number that is none.
    fn read(self) -> Result<NewJob, Box<(NewJob, Error)>> {
        let text = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut wrong = None;
        let mut number = |field: &str, text: &str| {
            let parsed = text.trim().parse::<u32>();
            if parsed.is_err() && !text.trim().is_empty() {
                wrong = Some(Error::field(field, "use a whole number"));
            }
            parsed.ok()
        };
        let (width, height) = (number("width", &self.width), number("height", &self.height));
        let (samples, chunk) = (number("samples", &self.samples), number("chunk", &self.chunk));
        let priority = number("priority", &self.priority).map(|one| u8::try_from(one).unwrap_or(u8::MAX));
        let new = NewJob {
            blake3: self.blake3,
            name: text(self.name),
            main: text(self.main),
            frames: text(self.frames),
            format: text(self.format),
            scene: text(self.scene),
            camera: text(self.camera),
            engine: text(self.engine),
            width,
            height,
            samples,
            priority,
            chunk,
            frame_time_limit_ms: None,
            paused: self.paused == "true",
        };
        match wrong {
            Some(error) => Err(Box::new((new, error))),
            None => Ok(new),
        }
    }
}
