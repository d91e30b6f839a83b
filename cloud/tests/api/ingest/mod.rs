//! What comes in from creators and goes out again: uploads, zips good and hostile, scenes and frames of real
//! Blender.

mod direct;
mod downloads;
mod full_disk;
mod inputs;
mod scenes;
mod unused;
mod uploads;
mod zips;

use pictor_actors::units::BlobHash;
use serde_json::{Value, json};

use crate::harness::{Client, Reply};

pub fn hash_of(body: &[u8]) -> BlobHash {
    BlobHash::from_bytes(*blake3::hash(body).as_bytes())
}

/// Begins an upload and sends its parts; the answer to *complete*.
pub async fn upload(client: &Client, name: &str, bytes: &[u8]) -> Reply {
    let id = begin(client, name, bytes, Some(hash_of(bytes))).await;
    for (number, part) in bytes.chunks(16 * 1024 * 1024).enumerate() {
        let sent = send_part(client, &id, number, part).await;
        assert_eq!(sent.status, 200, "{sent}");
    }
    complete(client, &id).await
}

/// The id of a new upload.
pub async fn begin(client: &Client, name: &str, bytes: &[u8], hash: Option<BlobHash>) -> String {
    let hash = hash.map(|hash| hash.to_string());
    let new = json!({ "file_name": name, "size": bytes.len(), "blake3": hash });
    let begun = client.post("/api/v1/uploads", &new).await;
    assert_eq!(begun.status, 201, "{begun}");
    let id = begun.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(begun.header("location"), format!("/api/v1/uploads/{id}"));
    id
}

pub async fn send_part(client: &Client, id: &str, number: usize, part: &[u8]) -> Reply {
    Reply::of(client.request("PUT", &format!("/api/v1/uploads/{id}/parts/{number}")).body(part.to_vec()))
        .await
}

/// Asks until it is not under way any more.
pub async fn complete(client: &Client, id: &str) -> Reply {
    for _ in 0..20 {
        let answer = client.post(&format!("/api/v1/uploads/{id}/complete"), &Value::Null).await;
        if answer.status != 202 {
            return answer;
        }
    }
    panic!("upload {id} is never complete");
}
