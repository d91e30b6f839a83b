//! The walk: every route of the table, called by everybody who should not get in, and by the owner.
//!
//! The snapshot beside this file shows at a glance who gets what; a route without a guard cannot slip in.

use std::fmt::Write as _;

use pictor_cloud::http::routes::{ROUTES, Route};

use crate::harness::{Client, TestApp};

/// A caller's name and what it sends.
struct Walker {
    name: &'static str,
    client: Client,
}

#[tokio::test]
async fn every_route_lets_in_whom_its_guard_names_and_nobody_else() {
    let app = TestApp::start().await;
    let stranger = app.stranger().await;
    let worker = app.worker().await;
    let strange_worker = app.worker_of(&stranger, "strange").await;
    let job = app.leased_job(&worker, "1-3").await;
    let walkers = [
        Walker { name: "nobody", client: app.nobody() },
        Walker { name: "stranger", client: app.token_of(&stranger, "all").await },
        Walker { name: "strange session", client: app.sign_in_as(&stranger).await },
        Walker { name: "read token", client: app.token("read").await },
        Walker { name: "strange worker", client: strange_worker.client },
    ];
    let fill = |path: &str| {
        path.replace("{worker}", &worker.row.id.to_string())
            .replace("{job}", &job.row.id.to_string())
            .replace("{lease}", &job.lease.lease.to_string())
            .replace("{frame}", "1")
            .replace("{hash}", &"ab".repeat(32))
            .replace("{file:.*}", "index.html")
            .replace("{session}", "ses_00000000000000000000000000000001")
            .replace("{token}", "tok_00000000000000000000000000000001")
            .replace("{upload}", "upl_00000000000000000000000000000001")
            .replace("{part}", "0")
    };
    let mut table = String::new();
    for route in ROUTES {
        let path = fill(route.path);
        let mut line = format!("{:6} {}", route.method, route.path);
        for walker in &walkers {
            let status = call(&walker.client, route, &path).await;
            write!(line, " | {} {status}", walker.name).unwrap();
        }
        table.push_str(&line);
        table.push('\n');
    }
    insta::assert_snapshot!(table);
    // Nothing that was called has changed anything of the owner.
    assert_eq!(app.store.worker(worker.row.id).await.unwrap().removed_at, None);
    assert_eq!(app.store.job(job.row.id).await.unwrap().version, job.row.version);
}

async fn call(client: &Client, route: &Route, path: &str) -> u16 {
    let request = client.request(route.method, path);
    let request = if route.method == "GET" { request } else { request.json(&serde_json::json!({})) };
    // Only the head of the answer: live streams have no end.
    request.send().await.map_or(0, |response| response.status().as_u16())
}
