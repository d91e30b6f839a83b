//! Lines of engines.

use pictor_cloud::store::{LogRow, PageRequest, Store};

use crate::farm::{at, granted, scene};

pub async fn a_log_keeps_its_last_lines_and_pages(store: Store) {
    let scene = scene(&store, 1, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let line = |seq: u64| LogRow {
        lease_id: lease.id,
        seq,
        job_id: lease.job_id,
        task_id: lease.task_id,
        worker_id: lease.worker_id,
        at: at(i64::try_from(seq / 10).unwrap()),
        text: format!("line {seq}"),
    };
    let lines: Vec<LogRow> = (1..=2_050).map(line).collect();
    store.append_log(&lines[..150]).await.unwrap();
    store.append_log(&lines[100..]).await.unwrap();
    let mut page = PageRequest::first(200);
    let mut seen = vec![];
    loop {
        let found = store.log_of(lease.job_id, &page).await.unwrap();
        seen.extend(found.rows.into_iter().map(|row| row.seq));
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(seen, (51..=2_050).collect::<Vec<_>>());
    let tail = store.log_tail(lease.job_id, 2).await.unwrap();
    assert_eq!(tail.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), ["line 2049", "line 2050"]);
}

pub async fn a_log_outlives_a_gap_in_its_numbers(store: Store) {
    let scene = scene(&store, 1, 1).await;
    let lease = granted(&store, &scene.tasks[0], scene.worker.id).await;
    let line = |seq: u64| LogRow {
        lease_id: lease.id,
        seq,
        job_id: lease.job_id,
        task_id: lease.task_id,
        worker_id: lease.worker_id,
        at: at(1),
        text: seq.to_string(),
    };
    let kept = async || -> Vec<u64> {
        store.log_tail(lease.job_id, 5_000).await.unwrap().iter().map(|row| row.seq).collect()
    };
    store.append_log(&[line(1), line(2)]).await.unwrap();
    // As a job's actor that was built anew counts: from the time of day.
    store.append_log(&[line(1_700_000_000_000_000)]).await.unwrap();
    assert_eq!(kept().await, [1, 2, 1_700_000_000_000_000]);
    let more: Vec<LogRow> = (1..=1_998).map(|n| line(1_700_000_000_000_000 + n)).collect();
    store.append_log(&more).await.unwrap();
    assert_eq!((kept().await.len(), kept().await[0]), (2_000, 2), "the oldest one goes");
}
