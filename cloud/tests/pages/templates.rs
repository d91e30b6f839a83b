//! Each template once with ordinary and once with hostile values.

use std::path::PathBuf;

use pictor_cloud::views::chrome::{Crumb, NavEntry, Notice, Theme, Viewer};
use pictor_cloud::views::forms::{Field, FormErrors};
use pictor_cloud::views::jobs::details::{
    FramesPart, JobLiveParts, JobPage, TabLink, TasksPart, setting_lines,
};
use pictor_cloud::views::jobs::frames::{FrameCell, FramePage};
use pictor_cloud::views::jobs::list::{FilterLink, JobListPage, JobRow};
use pictor_cloud::views::jobs::log::LogPart;
use pictor_cloud::views::jobs::submit::{ChooseFilePage, SettingsPage, UploadedFile};
use pictor_cloud::views::people::account::{AccountPage, FreshToken};
use pictor_cloud::views::people::sign_in::{FirstSetUpPage, SignInPage};
use pictor_cloud::views::problem::ProblemPage;
use pictor_cloud::views::workers::details::{WorkerLiveParts, WorkerPage};
use pictor_cloud::views::workers::list::{SortLink, WorkerCounts, WorkerListPage, WorkerRow};
use pictor_cloud::views::workers::metrics::series;
use pictor_cloud::views::workers::set_up::{
    NewWorkerPage, RefusedTry, SetUpFacts, SetUpSteps, WorkerSetUpPage,
};
use pictor_cloud::views::{Chrome, View, Views};
use pictor_cloud_api::jobs::NewJob;
use pictor_cloud_api::problem::ProblemCode;
use pictor_cloud_domain::worker::status::StatusWord;

use crate::samples::{self, id};

#[test]
fn the_list_tells_why_a_job_waits_but_not_between_two_frames() {
    let row = |state, why: &str, in_hand| {
        let mut job = samples::job(1, "lamp", state, 3, "");
        job.waiting = vec![why.to_owned()];
        JobRow::new(&job, in_hand, None).state.cause
    };
    let nobody = "no worker takes work now: 1 worker is paused by its owner";
    let busy = "1 slot is busy with other jobs";
    assert_eq!(row("ready", busy, 0).as_deref(), Some(busy));
    assert_eq!(row("running", nobody, 0).as_deref(), Some(nobody));
    for quiet in [row("running", busy, 0), row("running", nobody, 1), row("paused", nobody, 0)] {
        assert_eq!(quiet, None);
    }
}

const PLAIN: &str = "lamp";
/// Breaks out of text, of an attribute and of a script, where any of them were not escaped.
const HOSTILE: &str = r#""'><script>alert(1)</script><img src=x onerror=alert(1)>{{chrome}}&amp;"#;

struct Book {
    views: Views,
    text: &'static str,
    pages: Vec<(String, String)>,
}

impl Book {
    fn of(text: &'static str) -> Self {
        let mut book = Self { views: Views::load().unwrap(), text, pages: Vec::new() };
        book.people();
        book.workers();
        book.jobs();
        book
    }

    fn chrome(&self, title: &str, live: bool) -> Chrome {
        let nav = |label, href, glyph| NavEntry { label, href, glyph, is_current: label == title };
        Chrome {
            title: if title == "Workers" || title == "Jobs" {
                title.to_owned()
            } else {
                self.text.to_owned()
            },
            theme: Theme::System,
            path: format!("/?q={}", self.text),
            form_token: "token".to_owned(),
            nav: vec![nav("Workers", "/workers", "server"), nav("Jobs", "/jobs", "jobs")],
            crumbs: vec![Crumb { label: self.text.to_owned(), href: "/workers".to_owned() }],
            viewer: Some(Viewer {
                name: self.text.to_owned(),
                email: "ada@example.org".to_owned(),
                initial: "A".to_owned(),
            }),
            live: live.then(|| "/events?topic=workers".to_owned()),
            refresh: live.then_some(15),
            scripts: vec!["worker.js", "submit.js"],
            styles: vec!["worker.css"],
            notice: Some(Notice { tone: "ok", glyph: "check-circle", text: self.text.to_owned() }),
        }
    }

    fn add<V: View>(&mut self, name: &str, title: &str, page: &V) {
        let html = self.views.page(&self.chrome(title, name != "account"), page).unwrap();
        self.pages.push((name.to_owned(), html));
    }

    fn add_fragment<V: View>(&mut self, name: &str, view: &V) {
        let html = self.views.fragment(view).unwrap();
        self.pages.push((format!("fragment-{name}"), html));
    }

    fn people(&mut self) {
        let text = self.text;
        let errors = FormErrors {
            whole: Some(text.to_owned()),
            fields: [("name".to_owned(), text.to_owned())].into(),
        };
        let field = Field::of(text).with_error("name", &errors);
        let sign_in = SignInPage {
            email: field.clone(),
            next: text.to_owned(),
            error: Some(text.to_owned()),
            needs_set_up: true,
        };
        self.add("sign-in", "Sign in", &sign_in);
        self.add("sign-in-plain", "Sign in", &SignInPage::default());
        let set_up = FirstSetUpPage { action: text.to_owned(), name: field, ..FirstSetUpPage::default() };
        self.add("first-set-up", "Welcome", &set_up);
        let sessions = vec![samples::session(true, text), samples::session(false, "Firefox/120 Linux")];
        let mut account =
            AccountPage::new(&samples::account(text), sessions, vec![samples::token(text)], &errors);
        account.fresh_token = Some(FreshToken { name: text.to_owned(), secret: format!("pct_{text}") });
        self.add("account", "Account", &account);
        self.add("problem", "Not found", &ProblemPage::new(404, text, text, Some(text)));
    }

    fn workers(&mut self) {
        let text = self.text;
        let workers = [
            samples::gpu_worker(text, text),
            samples::cpu_worker("attic"),
            samples::new_worker("rig-03"),
            samples::paused_worker("rig-04"),
        ];
        let sort = |key, label, is_current| SortLink {
            key,
            label,
            href: format!("/workers?sort={key}&q={text}"),
            is_current,
            direction: "ascending",
        };
        let sorts = vec![
            sort("status", "Status", false),
            sort("name", "Name", true),
            sort("created", "Create date", false),
            sort("updated", "Last update", false),
        ];
        let counts = [(StatusWord::Idle, 1_240), (StatusWord::NeverSeen, 1)].into();
        let list = WorkerListPage {
            counts: Some(WorkerCounts::new(&counts)),
            rows: workers.iter().map(WorkerRow::new).collect(),
            is_first_time: false,
            search: text.to_owned(),
            sort: "name".to_owned(),
            sorts,
            next_href: Some(format!("/workers?cursor={text}")),
            is_later_page: false,
            held_back: Some(text.to_owned()),
        };
        self.add("workers", "Workers", &list);
        let none = WorkerListPage { rows: Vec::new(), counts: None, ..list.clone() };
        self.add("workers-none", "Workers", &none);
        self.add(
            "workers-first",
            "Workers",
            &WorkerListPage { is_first_time: true, rows: Vec::new(), ..list },
        );
        for (number, worker) in workers.iter().enumerate() {
            let sample = worker.sample.clone().map(|value| serde_json::from_value(value).unwrap());
            let samples: Vec<_> = sample.into_iter().collect();
            let live = WorkerLiveParts::new(worker, &samples);
            self.add_fragment(&format!("worker-{}", worker.connection), &live);
            self.add_fragment(&format!("worker-row-{}", worker.connection), &WorkerRow::new(worker));
            let page = WorkerPage {
                live,
                series: series(worker, &samples),
                is_settings: worker.connection == "never",
                name: Field::of(text),
            };
            self.add(
                &format!("worker-{}-{}", worker.connection, worker.activity.as_deref().unwrap_or("")),
                "",
                &page,
            );
            let facts = SetUpFacts {
                is_enrolled: worker.connection != "never",
                hostname: Some(text.to_owned()),
                refused: ProblemCode::ALL.get(number).map(|code| RefusedTry {
                    code: *code,
                    hostname: text.to_owned(),
                    at: "2026-11-23T10:00:00Z".to_owned(),
                }),
            };
            let set_up = WorkerSetUpPage {
                id: worker.id.clone(),
                name: worker.name.clone(),
                file_name: format!("{text}.pictor"),
                commands: vec![format!("pictor-worker import {text}.pictor"), "pictor-worker run".to_owned()],
                steps: SetUpSteps::new(worker, &facts),
            };
            self.add(&format!("set-up-{}", worker.connection), "", &set_up);
        }
        let new = NewWorkerPage { name: Field::of(text), wallet_address: Some(text.to_owned()) };
        self.add("worker-new", "", &new);
    }

    fn jobs(&mut self) {
        let text = self.text;
        let jobs = [
            samples::job(1, text, "running", 11, text),
            samples::job(2, "still", "ready", 0, text),
            samples::job(3, "broken", "failed", 2, text),
            samples::job(4, "done", "completed", 24, text),
            samples::job(5, "later", "paused", 3, text),
        ];
        let filter = |label, is_current| FilterLink { label, href: format!("/jobs?q={text}"), is_current };
        let list = JobListPage {
            rows: jobs.iter().map(|job| JobRow::new(job, 2, (job.frames_done > 0).then_some(1))).collect(),
            is_first_time: false,
            search: text.to_owned(),
            state: text.to_owned(),
            filters: vec![filter("All", true), filter("Running", false), filter("Failed", false)],
            next_href: None,
            is_later_page: true,
        };
        self.add("jobs", "Jobs", &list);
        self.add("jobs-none", "Jobs", &JobListPage { rows: Vec::new(), ..list.clone() });
        self.add("jobs-first", "Jobs", &JobListPage { is_first_time: true, rows: Vec::new(), ..list });
        for (job, tab) in jobs.iter().zip(["frames", "tasks", "log", "settings", "frames"]) {
            self.add_fragment(&format!("job-row-{}", job.state), &JobRow::new(job, 0, None));
            self.add_fragment(&format!("job-{}", job.state), &JobLiveParts::new(job, 2));
            self.add(&format!("job-{}-{tab}", job.state), "", &job_page(job, tab, text));
        }
        self.add_fragment("frame", &FrameCell::new(text, &samples::frame(-3, "stored", text)));
        self.add(
            "frame",
            "",
            &FramePage::new(&id("job", 1), text, &samples::frame(7, "stored", text), None, Some(8)),
        );
        self.add(
            "job-file",
            "",
            &ChooseFilePage { error: Some(text.to_owned()), ..ChooseFilePage::default() },
        );
        self.submit();
    }

    fn submit(&mut self) {
        let text = self.text;
        let errors = FormErrors {
            whole: Some(text.to_owned()),
            fields: [("frames".to_owned(), text.to_owned())].into(),
        };
        let typed = NewJob { frames: Some(text.to_owned()), ..NewJob::default() };
        for (name, content, typed, errors) in [
            ("job-settings", samples::content(text), NewJob::default(), FormErrors::default()),
            ("job-settings-wrong", samples::content(text), typed.clone(), errors),
            ("job-settings-unread", Default::default(), typed, FormErrors::default()),
        ] {
            let file_name = format!("{text}.zip");
            let file =
                UploadedFile { blake3: text, file_name: &file_name, size: 28 << 20, content: &content };
            self.add(name, "", &SettingsPage::new(&file, &typed, &errors));
        }
    }
}

fn job_page(job: &pictor_cloud_api::jobs::Job, tab: &str, text: &str) -> JobPage {
    let states = ["stored", "stored", "running", "failed", "pending", "pending"];
    let frames: Vec<_> = states.iter().zip(1..).map(|(state, n)| samples::frame(n, state, text)).collect();
    let tab_link =
        |label, name: &str| TabLink { label, href: format!("?tab={name}"), is_current: name == tab };
    JobPage {
        live: JobLiveParts::new(job, 1),
        tab: tab.to_owned(),
        tabs: vec![tab_link("Frames", "frames"), tab_link("Log", "log"), tab_link("Settings", "settings")],
        frames: (tab == "frames").then(|| FramesPart {
            cells: FramesPart::cells(&job.id, &frames),
            range: Some("Frames 1 to 200 of 5 000".to_owned()),
            previous_href: None,
            next_href: Some(format!("?page={text}")),
            is_failed_only: false,
            toggle_href: Some("?failed=true".to_owned()),
        }),
        tasks: (tab == "tasks").then(|| TasksPart {
            rows: ["running", "failed", "completed"]
                .map(|state| (&samples::task(1, state, text)).into())
                .into(),
            next_href: None,
        }),
        log: (tab == "log").then(|| LogPart::new(&job.id, &[samples::log_line(text)], true)),
        settings: (tab == "settings").then(|| setting_lines(job)),
    }
}

#[test]
fn every_template_is_filled_in_strict_mode() {
    let book = Book::of(PLAIN);
    for (name, html) in &book.pages {
        assert!(!html.trim().is_empty(), "{name} is empty");
        if let Some(folder) = std::env::var_os("PICTOR_RENDER_TO") {
            std::fs::write(PathBuf::from(folder).join(format!("{name}.html")), html).unwrap();
        }
    }
}

#[test]
fn what_people_typed_never_becomes_markup() {
    for (name, html) in &Book::of(HOSTILE).pages {
        assert!(!html.contains("<script>alert"), "{name}: a script came through");
        assert!(!html.contains("<img src=x"), "{name}: an element came through");
        assert!(!html.contains("onerror=alert(1)>{{"), "{name}: the text came through unescaped");
    }
}

#[test]
fn no_page_needs_what_the_content_security_policy_forbids() {
    for (name, html) in &Book::of(PLAIN).pages {
        for banned in [" style=", " onclick=", " hx-on", "javascript:", "<style", "http://", "https://"] {
            assert!(!html.contains(banned), "{name}: holds {banned:?}");
        }
        for (at, _) in html.match_indices("<script") {
            let tag = &html[at..at + html[at..].find('>').unwrap()];
            assert!(tag.contains(" src=") || tag.contains("application/json"), "{name}: inline script {tag}");
        }
    }
}

#[test]
fn ids_are_unique_and_labels_lead_somewhere() {
    for (name, html) in &Book::of(PLAIN).pages {
        let mut ids: Vec<&str> = attribute(html, " id=\"").collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{name}: an id stands twice in {ids:?}");
        if !name.starts_with("fragment") {
            for wanted in attribute(html, " for=\"").chain(attribute(html, " popovertarget=\"")) {
                assert!(ids.binary_search(&wanted).is_ok(), "{name}: nothing has the id {wanted}");
            }
        }
    }
}

fn attribute<'a>(html: &'a str, opening: &'static str) -> impl Iterator<Item = &'a str> {
    html.match_indices(opening).map(move |(at, _)| {
        let rest = &html[at + opening.len()..];
        &rest[..rest.find('"').unwrap()]
    })
}

#[test]
fn an_absent_machine_shows_no_zero_and_says_when() {
    let pages = Book::of(PLAIN).pages;
    let (_, html) = pages.iter().find(|(name, _)| name == "worker-offline-").unwrap();
    assert!(html.contains("These are its last values, from"), "the time of the last values is missing");
    assert!(html.contains("unknown"), "what is unknown is not said to be");
    assert!(!html.contains(">0 <small>"), "an unknown value became a zero");
}
