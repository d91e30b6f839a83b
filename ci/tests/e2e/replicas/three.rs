//! Three replicas: what is true at one is true at the others, and any one of them is enough.
//!
//! Their workers are simulated: dozens of them, with real sockets and uploads.

use std::collections::BTreeMap;
use std::time::Duration;

use ci::farm::{Farm, Fleet, Replica, list_of, made_up_scene, simulating};
use ci::nats::Nats;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::ground::Balancer;
use super::{runtime, sql};
use crate::harness::{Stage, use_postgres};

const SOON: Duration = Duration::from_secs(60);
/// Workers that prefer the same replica.
const WORKERS: usize = 4;

/// Three replicas, the farm's own first, with what they share.
struct Trio {
    stage: Stage,
    others: [Replica; 2],
    database: String,
    _nats: Nats,
    _shared: tempfile::TempDir,
}

impl Trio {
    fn start() -> Self {
        use_postgres();
        let (nats, shared) = (Nats::start().unwrap(), tempfile::tempdir().unwrap());
        let blobs = shared.path().join("blobs").to_string_lossy().into_owned();
        let mut settings = simulating();
        settings.push(("PICTOR__LIVENESS__HEARTBEAT_MS", "500".to_owned()));
        settings.extend([("PICTOR__BUS__URL", nats.url()), ("PICTOR__BLOBS__DIR", blobs)]);
        let stage = Stage::with(settings);
        let others = ["second", "third"].map(|name| stage.farm.start_replica(name).unwrap());
        let database = stage.database.clone().unwrap();
        Self { stage, others, database, _nats: nats, _shared: shared }
    }

    fn urls(&self) -> [String; 3] {
        let [second, third] = &self.others;
        [self.stage.farm.url(), second.url(), third.url()].map(str::to_owned)
    }

    /// Four workers at each; whose replica is gone goes to the next one.
    fn add_workers(&self, options: &[&str]) -> Vec<(Balancer, Fleet)> {
        let urls = self.urls();
        let mut listen = urls.each_ref().map(|url| url.trim_start_matches("http://"));
        let fleets = (1..=3).map(|number| {
            let way = Balancer::preferring(&listen);
            listen.rotate_left(1);
            let prefix = format!("at-{number}");
            let options =
                [&["--prefix", &prefix, "--load-time", "50ms", "--every", "200ms"], options].concat();
            let fleet = self.stage.farm.simulate_at(&way.url(), WORKERS, None, &options).unwrap();
            (way, fleet)
        });
        let fleets: Vec<_> = fleets.collect();
        for (_, fleet) in &fleets {
            fleet.wait_connected(SOON).unwrap();
        }
        let held = "SELECT COUNT(*) FROM workers WHERE link_id IS NOT NULL GROUP BY replica_id";
        assert_eq!(self.sql(held), "4\n4\n4", "they are spread over all three");
        fleets
    }

    /// A job of the made-up engine, submitted at this replica, which thereby owns it.
    fn submit_at(&self, url: &str, frames: u32) -> String {
        let scene = made_up_scene(self.stage.folder.path()).unwrap();
        let (scene, frames) = (scene.to_string_lossy().into_owned(), format!("1-{frames}"));
        let arguments =
            ["submit", &scene, "--frames", &frames, "--engine", "simulated", "--chunk", "1", "--json"];
        let output = self.stage.farm.client(&arguments).env("PICTOR_URL", url).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let job: Value = serde_json::from_slice(&output.stdout).unwrap();
        job["id"].as_str().unwrap().to_owned()
    }

    fn sql(&self, query: &str) -> String {
        sql(&self.database, query)
    }
}

#[test]
fn two_of_three_go_in_mid_job_and_the_third_finishes_everything() {
    let mut trio = Trio::start();
    let fleets = trio.add_workers(&["--frame-time", "400ms"]);
    let mut jobs: Vec<String> =
        [trio.urls(), trio.urls()].concat().iter().map(|url| trio.submit_at(url, 75)).collect();
    // Whoever took a job in owns it, unless another looked for jobs without an owner in that moment: those
    // who go get another one then.
    let [_, second, third] = trio.urls();
    for url in [&second, &third] {
        let address = url.trim_start_matches("http://");
        let owned = format!(
            "SELECT COUNT(*) FROM jobs JOIN replicas ON replicas.id = jobs.owner
             WHERE replicas.address = '{address}' AND frames_done < frames_total"
        );
        let without = "SELECT COUNT(*) FROM jobs WHERE owner IS NULL";
        let owns = |_: &Farm| {
            if trio.sql(&owned) != "0" {
                return Ok(Some(()));
            }
            if trio.sql(without) == "0" {
                jobs.push(trio.submit_at(url, 75));
            }
            Ok(None)
        };
        trio.stage.farm.wait_for("who goes to own a job", owns).unwrap();
    }
    let stored = || trio.sql("SELECT COUNT(*) FROM frames").parse::<u32>().unwrap();
    trio.stage.farm.wait_for("the first frames", |_| Ok((stored() >= 30).then_some(()))).unwrap();
    let unfinished = "SELECT COUNT(*) FROM jobs WHERE frames_done < frames_total";
    assert_ne!(trio.sql(unfinished), "0");
    // One dies, one is told to go, at the same moment.
    let [second, third] = &mut trio.others;
    second.kill().unwrap();
    let killed = ci::shell::started_now();
    let took = third.end(Duration::from_secs(15)).unwrap();
    assert_ne!(trio.sql(unfinished), "0", "they went in mid job, the one within {took:?}");
    let not_ours = format!(
        "SELECT COUNT(*) FROM jobs WHERE frames_done < frames_total AND owner IS DISTINCT FROM
             (SELECT id FROM replicas WHERE address = '{}')",
        trio.stage.farm.listen()
    );
    trio.stage
        .farm
        .wait_within(Duration::from_secs(10).saturating_sub(killed.elapsed()), "one owner of all", |_| {
            Ok((trio.sql(&not_ours) == "0").then_some(()))
        })
        .unwrap();
    let taken_over = killed.elapsed();
    for job in &jobs {
        let job = trio.stage.farm.wait_job(job, "completed").unwrap();
        assert_eq!(job["frames_done"], 75, "{job}");
    }
    println!(
        "one ended in {:.1} s, all owned by the third {:.1} s after the kill, done after {:.1} s",
        took.as_secs_f64(),
        taken_over.as_secs_f64(),
        killed.elapsed().as_secs_f64()
    );
    let online = trio.stage.farm.pictor(&["workers", "list"]).unwrap();
    let online = list_of(&online).iter().filter(|worker| worker["connection"] == "online").count();
    assert_eq!(online, 3 * WORKERS, "all went on at the third");
    assert_eq!(trio.sql("SELECT COUNT(*) FROM frames"), (75 * jobs.len()).to_string());
    // A receipt that was lost with its replica may make a worker count a frame again, never render it.
    let lost = trio.sql("SELECT COUNT(*) FROM leases WHERE outcome IN ('expired', 'failed', 'stopped')");
    assert_eq!(lost, "0", "no worker lost a task for the fault of a replica");
    for (_, fleet) in fleets {
        let last = fleet.finish().unwrap();
        assert_eq!((&last["attempts_failed"], &last["stale_taken"]), (&json!(0), &json!(0)), "{last}");
    }
}

#[test]
fn what_is_done_at_one_of_three_is_done_at_all() {
    let trio = Trio::start();
    let fleets = trio.add_workers(&["--frame-time", "3s"]);
    let [first, second, third] = trio.urls();
    runtime().block_on(async {
        let cookie = sign_in(&first, trio.stage.farm.password()).await;
        for url in [&first, &second, &third] {
            assert_eq!(page(url, "/workers", &cookie).await, (200, String::new()), "signed in at {url}");
        }
        repeated(&trio, &[&first, &second, &third]).await;
        live(&trio, &first, &third, &cookie).await;
        let address = format!("{second}/account");
        let account =
            client().get(&address).header(COOKIE, &cookie).send().await.unwrap().text().await.unwrap();
        let token =
            account.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let leave =
            client().post(format!("{second}/sign-out")).header(COOKIE, &cookie).form(&[("csrf", token)]);
        assert_eq!(leave.send().await.unwrap().status(), 303);
        for url in [&first, &third] {
            let (status, to) = page(url, "/workers", &cookie).await;
            assert!(status == 303 && to.starts_with("/sign-in"), "{url}: {status} {to}");
        }
    });
    drop(fleets);
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).build().unwrap()
}

/// A browser's cookie.
async fn sign_in(url: &str, password: &str) -> String {
    let form = [("email", ci::farm::EMAIL), ("password", password)];
    let answer = client().post(format!("{url}/sign-in")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Status, and where it leads.
async fn page(url: &str, path: &str, cookie: &str) -> (u16, String) {
    let answer = client().get(format!("{url}{path}")).header(COOKIE, cookie).send().await.unwrap();
    let to = answer.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
    (answer.status().as_u16(), to.to_owned())
}

/// The same request with the same key at all replicas at once, until each has answered: one effect.
async fn repeated(trio: &Trio, urls: &[&String]) {
    let (key, token) = ("the same key", trio.stage.farm.token());
    let mut answers = BTreeMap::new();
    while answers.len() < urls.len() {
        let asked = urls.iter().map(|url| {
            let request = client().post(format!("{url}/api/v1/workers")).bearer_auth(token);
            request.header("idempotency-key", key).json(&json!({"name": "once"})).send()
        });
        // All are under way before any is answered.
        let asked: Vec<_> = asked.map(tokio::spawn).collect();
        for (url, asked) in urls.iter().zip(asked) {
            let answer = asked.await.unwrap().unwrap();
            let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            match status {
                201 => drop(answers.insert(url.to_string(), body["id"].clone())),
                // The first is still at work.
                409 => assert!(body["detail"].to_string().contains("at work"), "{body}"),
                status => panic!("{url} answered {status}: {body}"),
            }
        }
    }
    let ids: Vec<_> = answers.values().collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{answers:?}");
    assert_eq!(trio.sql("SELECT COUNT(*) FROM workers WHERE name = 'once'"), "1");
}

/// A page at one replica shows a worker of another one beginning to work, and its heading counts it.
async fn live(trio: &Trio, here: &str, there: &str, cookie: &str) {
    let worker = "SELECT workers.id FROM workers JOIN replicas ON replicas.id = workers.replica_id
                  WHERE replicas.address";
    let worker = trio.sql(&format!("{worker} = '{}' LIMIT 1", there.trim_start_matches("http://")));
    let address = format!("{here}/events?topic=workers&rows={worker}");
    let mut stream = client().get(&address).header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let job = trio.submit_at(here, 60);
    let (row, mut text) = (format!("id=\"row-{worker}\" role=\"row\" data-word=\"Working\""), String::new());
    let listening = async {
        while !(text.contains(&row) && text.contains("id=\"worker-counts\">12 working · 1 never seen<")) {
            let piece = stream.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&piece));
        }
    };
    let heard = tokio::time::timeout(SOON, listening).await;
    assert!(heard.is_ok(), "the page was told only: {text}");
    let cancelled = trio.stage.farm.pictor(&["jobs", "cancel", &job]).unwrap();
    assert_eq!(cancelled["state"], "cancelled");
}
