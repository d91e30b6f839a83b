//! What was answered is kept: a writer is killed without warning, and the database is opened again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use pictor_cloud::config::DatabaseConfig;
use pictor_cloud::store::{PageRequest, Store};

use crate::farm::{T0, account, at, frame, granted, job, new_account, worker};

const FOLDER: &str = "PICTOR_TEST_KILLED_IN";

/// The process that is killed; run by the test below only.
#[tokio::test]
#[ignore = "is started and killed by what_was_answered_survives_a_kill"]
async fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = Store::open(&DatabaseConfig::in_folder(&PathBuf::from(folder))).await.unwrap();
    let one = account(&store, "one@example.org").await.id;
    let rig = worker(&store, one, "rig").await.id;
    let (_, tasks) = job(&store, one, 5_000, 1_000).await;
    let writers = tasks.into_iter().map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let lease = granted(&store, &task, rig).await;
            let first: i32 = task.frames.split('-').next().unwrap().parse().unwrap();
            for number in first..first + 1_000 {
                store.store_frame(&frame(&lease, number), at(1)).await.unwrap();
                let mut out = std::io::stdout().lock();
                writeln!(out, "stored {number}").unwrap();
                out.flush().unwrap();
            }
        })
    });
    join_all(writers).await;
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    for lines in [1, 40, 333] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "database::durability::write_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut answered = vec![];
        for line in said {
            if let Some((_, number)) = line.split_once("stored ") {
                answered.push(number.parse::<i32>().unwrap());
            }
            if answered.len() == lines {
                // SIGKILL: no destructor runs, nothing is flushed by us.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(answered.len() >= lines);
        let store = Store::open(&DatabaseConfig::in_folder(folder.path())).await.unwrap();
        let one = store.account_by_email("one@example.org").await.unwrap().unwrap();
        let job = store.list_jobs(one.id, &[], None, &PageRequest::default()).await.unwrap().rows.remove(0);
        let kept: Vec<i32> = store.frames_of(job.id).await.unwrap().iter().map(|row| row.frame).collect();
        for number in &answered {
            assert!(kept.contains(number), "frame {number} was answered and is gone");
        }
        assert_eq!(job.frames_done as usize, kept.len(), "the count is of what is there");
        store.create_account(&new_account("two@example.org"), T0).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn a_failed_write_leaves_the_others_of_its_batch_alone() {
    let store = Store::for_testing().await;
    let writes = (0..200).map(|n| {
        let store = store.clone();
        // Every second one breaks a unique index.
        let email = if n % 2 == 0 { format!("a{n}@example.org") } else { "same@example.org".to_owned() };
        tokio::spawn(async move { store.create_account(&new_account(&email), T0).await.is_ok() })
    });
    let made = join_all(writes).await.into_iter().filter(|one| *one.as_ref().unwrap()).count();
    assert_eq!(made, 101);
    assert_eq!(store.count_accounts().await.unwrap(), 101);
}
