//! Fetching frames: nothing twice, nothing over what is there.

use serde_json::{Value, json};

use crate::JOB;
use crate::cloud::{Cloud, Printed, job, page};

const OTHER: &str = "job_019a0000000070008000000000000a02";

/// A completed job of that name whose two frames have these bytes.
fn stored(cloud: &Cloud, id: &str, name: &str, bytes: [&[u8]; 2]) {
    let frames: Vec<Value> = (1..).zip(bytes).map(|(number, bytes)| frame(number, name, bytes)).collect();
    for (number, bytes) in (1..).zip(bytes) {
        cloud.gives(&format!("GET jobs/{id}/frames/{number}"), bytes);
    }
    cloud.says(&format!("GET jobs/{id}/frames"), [page(json!(frames))]);
    let shape = json!({ "id": id, "name": name, "state": "completed", "frames_total": 2, "frames_done": 2 });
    cloud.says(&format!("GET jobs/{id}"), [job(shape)]);
}

fn frame(number: i32, name: &str, bytes: &[u8]) -> Value {
    json!({ "frame": number, "state": "stored", "file_name": format!("{name}_{number:04}.png"),
        "blake3": blake3::hash(bytes).to_hex().to_string(), "size": bytes.len(), "render_ms": 1,
        "worker": null, "stored_at": null })
}

fn read(cloud: &Cloud, path: &str) -> Vec<u8> {
    std::fs::read(cloud.home().join(path)).unwrap()
}

fn good(printed: Printed) -> String {
    assert_eq!(printed.code, 0, "{printed:?}");
    printed.out
}

#[test]
fn two_jobs_of_one_name_get_a_folder_each() {
    let cloud = Cloud::start();
    stored(&cloud, JOB, "lamp", [b"one", b"two"]);
    stored(&cloud, OTHER, "lamp", [b"1", b"2"]);
    assert_eq!(good(cloud.pictor(&["pull", JOB])), "2 of 2 frames in lamp\n");
    assert_eq!(good(cloud.pictor(&["pull", OTHER])), "2 of 2 frames in lamp-00000a02\n");
    let of_both = ["lamp/lamp_0001.png", "lamp-00000a02/lamp_0001.png"].map(|path| read(&cloud, path));
    assert_eq!(of_both, [b"one".to_vec(), b"1".to_vec()]);
    let again = good(cloud.pictor(&["pull", OTHER]));
    assert_eq!(again, "2 of 2 frames in lamp-00000a02 (2 of them were there already)\n");
}

#[test]
fn a_pull_that_broke_off_goes_on_and_fetches_nothing_twice() {
    let cloud = Cloud::start();
    stored(&cloud, JOB, "lamp", [b"one", b"two"]);
    std::fs::create_dir(cloud.home().join("lamp")).unwrap();
    std::fs::write(cloud.home().join("lamp/lamp_0001.png"), b"one").unwrap();
    let words = good(cloud.pictor(&["pull", JOB]));
    assert_eq!(words, "2 of 2 frames in lamp (1 of them was there already)\n");
    assert_eq!(
        (read(&cloud, "lamp/lamp_0001.png"), read(&cloud, "lamp/lamp_0002.png")),
        (b"one".into(), b"two".into())
    );
    let fetched = |number| cloud.asked(&format!("GET jobs/{JOB}/frames/{number}"));
    assert_eq!((fetched(1), fetched(2)), (0, 1));
    let left: Vec<_> = std::fs::read_dir(cloud.home().join("lamp")).unwrap().collect();
    assert_eq!(left.len(), 2, "nothing but frames: {left:?}");
}

#[test]
fn a_folder_that_was_asked_for_is_not_overwritten() {
    let cloud = Cloud::start();
    stored(&cloud, JOB, "lamp", [b"one", b"two"]);
    stored(&cloud, OTHER, "lamp", [b"1", b"2"]);
    good(cloud.pictor(&["pull", JOB, "--out", "frames"]));
    let refused = cloud.pictor(&["pull", OTHER, "--out", "frames"]);
    assert_eq!((refused.code, refused.out.as_str()), (5, ""), "{refused:?}");
    assert!(
        refused.err.contains("frames/lamp_0001.png is something else than this job's frame"),
        "{refused:?}"
    );
    assert_eq!(read(&cloud, "frames/lamp_0001.png"), b"one");
}
