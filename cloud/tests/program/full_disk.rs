//! A real disk that is full: the blobs lie on a file system of 8 MiB, which only the cloud under test sees.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Client, Reply};
use crate::program::{Running, clean, with_account};

/// Mounts the small file system at its first argument and becomes the program that follows.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=8m tmpfs \"$1\" && shift && exec \"$@\"";

/// A cloud on a small disk, and that disk as seen from here; nothing, said so, where it cannot be made.
async fn on_a_small_disk(data: &Path) -> Option<(Running, PathBuf)> {
    let blobs = data.join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let unshare = |program: &[&str]| {
        let mut command = clean(Command::new("unshare"));
        command.args(["-rm", "sh", "-c", ON_A_SMALL_DISK, "sh"]).arg(&blobs).args(program);
        command
    };
    let can = unshare(&["true"]).status().await.is_ok_and(|status| status.success());
    if !can {
        #[allow(clippy::print_stderr)] // a skipped test says so
        {
            eprintln!("SKIPPED: no file system can be mounted here");
        }
        return None;
    }
    let program = [env!("CARGO_BIN_EXE_pictor-cloud"), "serve", "--listen", "127.0.0.1:0", "--data"];
    let mut command = unshare(&program);
    command.arg(data);
    let cloud = Running::run(command, data).await;
    let seen = format!("/proc/{}/root{}", cloud.pid(), blobs.display());
    Some((cloud, seen.into()))
}

async fn begin(program: &Client, size: usize) -> String {
    let new = json!({ "file_name": "noise.blend", "size": size });
    program.post("/api/v1/uploads", &new).await.value()["id"].as_str().unwrap().to_owned()
}

async fn send(program: &Client, upload: &str, bytes: &[u8]) -> Reply {
    let path = format!("/api/v1/uploads/{upload}/parts/0");
    Reply::of(program.request("PUT", &path).body(bytes.to_vec())).await
}

async fn complete(program: &Client, upload: &str) -> Reply {
    program.post(&format!("/api/v1/uploads/{upload}/complete"), &Value::Null).await
}

#[tokio::test]
async fn a_full_disk_is_said_so_leaves_nothing_half_and_the_upload_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Some((cloud, disk)) = on_a_small_disk(&data).await else { return };
    let token = with_account(&data).await;
    let program = cloud.client().with("authorization", format!("Bearer {token}"));
    let assert_full = |reply: &Reply| {
        assert_eq!((reply.status, reply.code().as_str()), (507, "disk_full"), "{reply}");
        assert!(reply.text().contains("the cloud's disk is full: its operator has to make room"), "{reply}");
        assert_eq!(std::fs::read_dir(disk.join("staging")).unwrap().count(), 0, "nothing half-written");
    };
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 5_000_000]).unwrap();
    let noise = (0..2_000_000_u32).map(|index| u8::try_from(index % 251).unwrap());
    let bytes: Vec<u8> = b"BLENDER".iter().copied().chain(noise).take(2_000_000).collect();
    // One that has no room while it comes in, and one that is in and needs none to become a blob.
    let (large, small) = (begin(&program, 4_000_000).await, begin(&program, bytes.len()).await);
    assert_full(&send(&program, &large, &[bytes.clone(), bytes.clone()].concat()).await);
    assert_eq!(send(&program, &small, &bytes).await.status, 200);
    let done = complete(&program, &small).await;
    assert_eq!(
        (done.status, &done.value()["blake3"]),
        (200, &json!(blake3::hash(&bytes).to_string())),
        "{done}"
    );
    let stands = program.get(&format!("/api/v1/uploads/{large}")).await;
    assert_eq!(stands.value()["parts_stored"], json!([]), "{stands}");
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(send(&program, &large, &[bytes.clone(), bytes].concat()).await.status, 200);
    cloud.stop().await;
}
