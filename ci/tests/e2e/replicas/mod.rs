//! Several replicas on one PostgreSQL: workers and pages anywhere, owners that die, a bus that dies, rolling
//! restarts.

mod ground;
mod three;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ci::farm::{Replica, list_of};
use ci::nats::Nats;
use serde_json::Value;

use self::ground::Balancer;
use crate::harness::{Stage, use_postgres};

/// Two replicas, the farm's own first, with what they share.
struct Pair {
    stage: Stage,
    other: Replica,
    nats: Nats,
    database: String,
    _shared: tempfile::TempDir,
}

impl Pair {
    fn start() -> Self {
        use_postgres();
        let (nats, shared) = (Nats::start().unwrap(), tempfile::tempdir().unwrap());
        let blobs = shared.path().join("blobs").to_string_lossy().into_owned();
        let stage = Stage::with(vec![("PICTOR__BUS__URL", nats.url()), ("PICTOR__BLOBS__DIR", blobs)]);
        let other = stage.farm.start_replica("other").unwrap();
        let database = stage.database.clone().unwrap();
        Self { stage, other, nats, database, _shared: shared }
    }

    /// A worker that connects to the farm's own cloud while that is there, and one that prefers the other.
    fn add_workers(&mut self) -> [Balancer; 2] {
        let (own, other) = (self.stage.farm.listen().to_owned(), self.other.listen().to_owned());
        let near = Balancer::preferring(&[&own, &other]);
        let far = Balancer::preferring(&[&other, &own]);
        self.stage.farm.add_worker_by("near", &near.url(), &[]).unwrap();
        self.stage.farm.add_worker_by("far", &far.url(), &[]).unwrap();
        [near, far]
    }

    /// The client's JSON, asked of the other replica.
    fn at_other(&self, arguments: &[&str]) -> Value {
        let mut client = self.stage.farm.client(arguments);
        let output = client.arg("--json").env("PICTOR_URL", self.other.url()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn sql(&self, query: &str) -> String {
        sql(&self.database, query)
    }

    /// How often each frame was rendered; more than once only what was in flight.
    fn assert_rendered_once(&self, job: &str, frames: usize, in_flight: usize) {
        let counts = self.stage.farm.frame_counts(job).unwrap();
        assert_eq!(counts.len(), frames);
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.len() <= in_flight, "rendered again: {twice:?}");
    }
}

fn sql(database: &str, query: &str) -> String {
    let output = Command::new("psql").args([database, "-qAtc", query]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn by_worker(frames: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for frame in list_of(frames) {
        *counts.entry(frame["worker"].to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn a_job_is_shared_by_workers_of_two_replicas_and_either_shows_it() {
    let mut pair = Pair::start();
    let _ways = pair.add_workers();
    let held = "SELECT COUNT(DISTINCT replica_id) FROM workers WHERE link_id IS NOT NULL";
    assert_eq!(pair.sql(held), "2", "each replica has a worker");
    let scene = pair.stage.scene("second", 24);
    let job = pair.stage.farm.submit(&scene, &["--chunk", "2"]).unwrap();
    // The other replica shows what the worker of the first one does.
    pair.stage
        .farm
        .wait_for("the other replica to show the first one's worker at work", |_| {
            let workers = pair.at_other(&["workers", "list"]);
            let is_at_it = |worker: &&Value| {
                worker["name"] == "near"
                    && worker["connection"] == "online"
                    && list_of(&worker["slots"]).iter().any(|slot| slot["job"] == job.as_str())
            };
            Ok(list_of(&workers).iter().find(is_at_it).map(|_| ()))
        })
        .unwrap();
    let heard =
        listen(&format!("{}/events?topic=job:{job}&format=json", pair.other.url()), pair.stage.farm.token());
    pair.stage.farm.wait_job(&job, "completed").unwrap();
    assert_eq!(pair.at_other(&["jobs", "show", &job])["state"], "completed");
    let frames = pair.at_other(&["jobs", "frames", &job]);
    let shares = by_worker(&frames);
    assert_eq!(shares.len(), 2, "both had their share: {shares:?}");
    pair.assert_rendered_once(&job, 24, 0);
    let heard = heard.join().unwrap();
    let stored = heard.lines().filter(|line| line.contains("frame_stored")).count();
    assert!(stored >= 10, "the other replica's page heard of frames: {heard}");
}

#[test]
fn the_owner_killed_in_mid_job_is_followed_within_ten_seconds() {
    let mut pair = Pair::start();
    let _ways = pair.add_workers();
    let scene = pair.stage.scene("second", 30);
    // Frame by frame: without an owner nobody cuts further tasks.
    let output = pair.at_other(&["submit", &scene.to_string_lossy(), "--chunk", "1"]);
    let job = output["id"].as_str().unwrap().to_owned();
    pair.stage.farm.wait_frames(&job, 4).unwrap();
    let owner_of = format!("SELECT owner FROM jobs WHERE id = '{job}'");
    let owner = pair.sql(&owner_of);
    let address = pair.sql(&format!("SELECT address FROM replicas WHERE id = '{owner}'"));
    assert_eq!(address, pair.other.listen(), "whoever took the job in owns it");
    pair.other.kill().unwrap();
    let killed = ci::shell::started_now();
    pair.stage
        .farm
        .wait_within(Duration::from_secs(10), "another owner", |_| {
            Ok((pair.sql(&owner_of) != owner).then_some(()))
        })
        .unwrap();
    println!("taken over {:.1} s after the kill", killed.elapsed().as_secs_f64());
    pair.stage.farm.wait_job(&job, "completed").unwrap();
    let frames = pair.stage.farm.pictor(&["jobs", "frames", &job]).unwrap();
    assert_eq!(list_of(&frames).iter().filter(|frame| !frame["blake3"].is_null()).count(), 30);
    pair.assert_rendered_once(&job, 30, 1);
    // The worker whose socket died with its replica went on at the other one.
    let online = pair.stage.farm.connection("far").unwrap();
    assert_eq!(online, "online");
}

#[test]
fn a_bus_that_dies_in_mid_job_costs_only_time() {
    let mut pair = Pair::start();
    let _ways = pair.add_workers();
    let scene = pair.stage.scene("second", 16);
    let job = pair.stage.farm.submit(&scene, &["--chunk", "1"]).unwrap();
    pair.stage.farm.wait_frames(&job, 3).unwrap();
    pair.nats.kill().unwrap();
    pair.stage.farm.wait_frames(&job, 10).unwrap();
    pair.nats.start_again().unwrap();
    pair.stage.farm.wait_job(&job, "completed").unwrap();
    pair.assert_rendered_once(&job, 16, 0);
    let log = std::fs::read_to_string(pair.stage.folder.path().join("cloud.log")).unwrap();
    assert_eq!(log.matches("bus lost").count(), 1, "said once");
}

#[test]
fn a_job_cancelled_at_one_replica_stops_the_worker_of_the_other() {
    let mut pair = Pair::start();
    let _ways = pair.add_workers();
    let job = pair.stage.farm.submit(&pair.stage.scene("slow", 5), &["--chunk", "1"]).unwrap();
    pair.stage
        .farm
        .wait_for("both workers to render", |farm| {
            let workers = farm.pictor(&["workers", "list"])?;
            let renders = |slot: &Value| slot["job"] == job.as_str() && slot["phase"] == "rendering";
            let busy =
                list_of(&workers).iter().filter(|worker| list_of(&worker["slots"]).iter().any(renders));
            Ok((busy.count() == 2).then_some(()))
        })
        .unwrap();
    pair.at_other(&["jobs", "cancel", &job]);
    pair.stage
        .farm
        .wait_within(Duration::from_secs(5), "both workers to be idle", |farm| {
            // By what they say themselves: a Blender beside may only be tried whether it works.
            let is_idle = |name: &str| {
                let status = farm.worker_status(&farm.worker(name)?.folder)?;
                Ok::<_, anyhow::Error>(list_of(&status["slots"]).iter().all(|slot| slot["phase"] == "idle"))
            };
            Ok((is_idle("near")? && is_idle("far")?).then_some(()))
        })
        .unwrap();
    let id = pair.sql("SELECT id FROM workers WHERE name = 'near'");
    let pause = format!("{}/api/v1/workers/{id}/pause", pair.other.url());
    let token = pair.stage.farm.token();
    runtime().block_on(async {
        let paused = reqwest::Client::new().put(pause).bearer_auth(token).send().await.unwrap();
        assert!(paused.status().is_success(), "{}", paused.status());
    });
    pair.stage
        .farm
        .wait_within(Duration::from_secs(5), "a pause set at the other replica", |farm| {
            let folder = farm.worker("near")?.folder.clone();
            Ok((farm.worker_status(&folder)?["activity"]["kind"] == "paused").then_some(()))
        })
        .unwrap();
}

#[test]
fn a_rolling_restart_of_both_fails_no_request_and_loses_no_frame() {
    let mut pair = Pair::start();
    let (own, other) = (pair.stage.farm.listen().to_owned(), pair.other.listen().to_owned());
    let balancer = Balancer::in_turn(&[&own, &other]);
    pair.stage.farm.add_worker_by("rig", &balancer.url(), &[]).unwrap();
    let scene = pair.stage.scene("second", 40);
    let job = pair.stage.farm.submit(&scene, &["--chunk", "2"]).unwrap();
    pair.stage.farm.wait_frames(&job, 2).unwrap();
    let asking = Asking::start(&format!("{}/api/v1/jobs", balancer.url()), pair.stage.farm.token());
    let took = pair.stage.farm.stop_cloud(Duration::from_secs(15)).unwrap();
    pair.stage.farm.restart_cloud().unwrap();
    println!("the first one ended in {:.1} s", took.as_secs_f64());
    wait_ready(&pair, pair.stage.farm.listen());
    let took = pair.other.end(Duration::from_secs(15)).unwrap();
    pair.other.restart(pair.stage.farm.programs()).unwrap();
    println!("the other one ended in {:.1} s", took.as_secs_f64());
    wait_ready(&pair, pair.other.listen());
    let (asked, failed) = asking.end();
    println!("{asked} requests, {} failed", failed.len());
    assert_eq!(failed, Vec::<String>::new(), "of {asked} requests");
    assert!(asked > 40, "{asked} requests in two restarts say little");
    pair.stage.farm.wait_job(&job, "completed").unwrap();
    pair.assert_rendered_once(&job, 40, 0);
}

/// Until the balancer has seen it too.
fn wait_ready(pair: &Pair, listen: &str) {
    let ready = format!("http://{listen}/readyz");
    let since = std::cell::Cell::new(None);
    let is_settled = |_: &ci::farm::Farm| {
        if since.get().is_none() && get(&ready, "").is_ok() {
            since.set(Some(ci::shell::started_now()));
        }
        Ok(since.get().filter(|since| since.elapsed() > Duration::from_secs(1)).map(|_| ()))
    };
    pair.stage.farm.wait_for("the restarted replica to be ready", is_settled).unwrap();
}

/// A client that asks again and again, over a line of its own each time and over one that is kept.
struct Asking {
    ended: Arc<AtomicBool>,
    asked: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Asking {
    fn start(address: &str, token: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (stop, address, token) = (Arc::clone(&ended), address.to_owned(), token.to_owned());
        let asked = std::thread::spawn(move || runtime().block_on(ask(&address, &token, &stop)));
        Self { ended, asked }
    }

    fn end(self) -> (usize, Vec<String>) {
        self.ended.store(true, Ordering::SeqCst);
        self.asked.join().unwrap()
    }
}

async fn ask(address: &str, token: &str, stop: &AtomicBool) -> (usize, Vec<String>) {
    let kept = reqwest::Client::builder().build().unwrap();
    let fresh = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let (mut asked, mut failed) = (0, Vec::new());
    while !stop.load(Ordering::SeqCst) {
        for (kind, client) in [("kept", &kept), ("fresh", &fresh)] {
            asked += 1;
            match client.get(address).bearer_auth(token).send().await {
                Ok(answer) if answer.status().is_success() => {}
                Ok(answer) => failed.push(format!("{kind}: {}", answer.status())),
                Err(error) => failed.push(format!("{kind}: {error:?}")),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (asked, failed)
}

fn runtime() -> tokio::runtime::Runtime {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn get(address: &str, token: &str) -> Result<(), String> {
    runtime().block_on(async {
        let answer = reqwest::Client::new().get(address).bearer_auth(token).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    })
}

/// Reads a stream of live events until the job's page hears that it is completed, or a while.
fn listen(address: &str, token: &str) -> std::thread::JoinHandle<String> {
    let (address, token) = (address.to_owned(), token.to_owned());
    std::thread::spawn(move || {
        runtime().block_on(async {
            let mut answer = reqwest::Client::new().get(&address).bearer_auth(token).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            let mut text = String::new();
            let quiet = Duration::from_secs(10);
            while let Ok(Ok(Some(piece))) = tokio::time::timeout(quiet, answer.chunk()).await {
                text.push_str(&String::from_utf8_lossy(&piece));
                if text.matches("frame_stored").count() >= 10 {
                    break;
                }
            }
            text
        })
    })
}
