//! What a list costs: as many statements for a long page as for a short one.

#[path = "../../store/database/statements.rs"]
mod statements;

use serde_json::json;

use crate::harness::{Client, TestApp};

/// Parts of the statements that belong to the jobs of a page. Others run beside them by themselves: jobs
/// being looked at, the sweeps.
const OF_A_PAGE: [&str; 3] = ["job_warnings", "tried.failure_class", "ORDER BY stored_at DESC"];

/// How often each of those ran while this was answered.
async fn costs(client: &Client, path: &str) -> [usize; 3] {
    statements::listen();
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{answer}");
    let said = statements::heard();
    OF_A_PAGE.map(|part| said.iter().filter(|text| text.contains(part)).count())
}

#[tokio::test]
async fn a_long_page_of_jobs_costs_what_a_short_one_does() {
    let app = TestApp::start().await;
    let worker = app.worker().await;
    for seed in 0..8_u8 {
        let job = app.leased_job(&worker, "1-2").await;
        let new = pictor_cloud::store::NewFrame {
            lease: job.lease.lease,
            fence: job.lease.fence,
            frame: 1,
            hash: pictor_actors::units::BlobHash::from_bytes([seed; 32]),
            size: 1,
            render_ms: 100 * (u64::from(seed) + 1),
        };
        app.store.store_frame(&new, app.now()).await.unwrap();
    }
    let (program, browser) = (app.token("read").await, app.sign_in().await);
    let page = program.get("/api/v1/jobs").await.value();
    let means: Vec<_> = page["items"].as_array().unwrap().iter().map(|job| &job["frame_mean_ms"]).collect();
    let wanted: Vec<_> = (1..=8).rev().map(|seed| json!(100 * seed)).collect();
    assert_eq!(means, wanted.iter().collect::<Vec<_>>(), "each has its own, newest first");
    for limit in [1, 8] {
        let answer = costs(&program, &format!("/api/v1/jobs?limit={limit}")).await;
        assert_eq!(answer, [1, 1, 0], "{limit} jobs");
    }
    assert_eq!(costs(&browser, "/jobs").await, [1, 1, 1]);
}
