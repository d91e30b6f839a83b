//! A cloud that answers what a test says, and a creator who calls `pictor` on it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

/// The token that it knows.
pub const TOKEN: &str = "pct_good";

/// Answers by method and path below `/api/v1/`, one a call; the last one stays.
#[derive(Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Vec<u8>>>,
    asked: Vec<String>,
}

/// The cloud.
pub struct Cloud {
    script: Arc<Mutex<Script>>,
    pub url: String,
    home: tempfile::TempDir,
}

/// What a call printed, and its exit code.
#[derive(Debug)]
pub struct Printed {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Cloud {
    pub fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Data::new(Arc::clone(&script));
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(
                HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(answer)))
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run(),
            )
        });
        Self { script, url, home: tempfile::tempdir().unwrap() }
    }

    /// Where the creator is.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Answers these calls so, one after the other (`"GET jobs/…"`).
    pub fn says(&self, call: &str, answers: impl IntoIterator<Item = Value>) {
        let answers = answers.into_iter().map(|answer| answer.to_string().into_bytes()).collect();
        self.script.lock().unwrap().answers.insert(call.to_owned(), answers);
    }

    /// Answers this call with bytes.
    pub fn gives(&self, call: &str, bytes: &[u8]) {
        self.script.lock().unwrap().answers.insert(call.to_owned(), VecDeque::from([bytes.to_vec()]));
    }

    /// How often this was called.
    pub fn asked(&self, call: &str) -> usize {
        self.script.lock().unwrap().asked.iter().filter(|asked| *asked == call).count()
    }

    /// Calls `pictor` with the good token, in a pipe.
    pub fn pictor(&self, arguments: &[&str]) -> Printed {
        run(self.command(arguments).env("PICTOR_TOKEN", TOKEN))
    }

    /// A call without a token of its own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pictor"));
        command
            .args(arguments)
            .current_dir(self.home())
            .env("PICTOR_URL", &self.url)
            .env("PICTOR_CONFIG", self.home().join("client.toml"))
            .env_remove("PICTOR_TOKEN")
            .stdin(Stdio::null());
        command
    }
}

pub fn run(command: &mut Command) -> Printed {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Printed { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

async fn answer(request: HttpRequest, script: Data<Arc<Mutex<Script>>>) -> HttpResponse {
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return problem(401, "not_signed_in");
    }
    let path = request.path().trim_start_matches("/api/v1/");
    let call = format!("{} {path}", request.method());
    let mut script = script.lock().unwrap();
    script.asked.push(call.clone());
    match script.answers.get_mut(&call) {
        Some(answers) if answers.len() > 1 => HttpResponse::Ok().body(answers.pop_front().unwrap()),
        Some(answers) => HttpResponse::Ok().body(answers[0].clone()),
        None => problem(404, "not_found"),
    }
}

fn problem(status: u16, code: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    let (title, detail) = ("refused", "refused by the test");
    HttpResponse::build(status).json(json!({
        "type": "", "title": title, "status": status.as_u16(), "detail": detail, "code": code,
        "request_id": null, "retry_after_ms": null, "fields": [],
    }))
}

/// The job that most tests are about, with these changes.
pub fn job(changes: Value) -> Value {
    let mut job: Value = serde_json::from_str(include_str!("job.json")).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}

/// The whole list on one page.
pub fn page(items: Value) -> Value {
    json!({ "items": items, "next_cursor": null })
}
