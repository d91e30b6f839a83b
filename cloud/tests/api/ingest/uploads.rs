//! Uploads in parts.

use pictor_actors::limits::UPLOAD_PART_BYTES;
use serde_json::{Value, json};

use super::scenes::made;
use super::{begin, complete, hash_of, send_part, upload};
use crate::harness::{Reply, TestApp};

#[tokio::test]
async fn parts_come_in_any_order_and_are_resumed() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let part_size = usize::try_from(UPLOAD_PART_BYTES).unwrap();
    let noise = (0..part_size + 1_000).map(|index| u8::try_from(index % 251).unwrap());
    let bytes: Vec<u8> = b"BLENDER".iter().copied().chain(noise).take(part_size + 1_000).collect();
    let id = begin(&program, "noise.blend", &bytes, None).await;
    let sent = send_part(&program, &id, 1, &bytes[part_size..]).await;
    assert_eq!((sent.status, &sent.value()["parts_stored"]), (200, &json!([1])), "{sent}");
    let early = complete(&program, &id).await;
    assert_eq!((early.status, early.code().as_str()), (409, "upload_incomplete"), "{early}");
    let short = send_part(&program, &id, 0, &bytes[..part_size - 1]).await;
    assert_eq!((short.status, short.code().as_str()), (422, "hash_mismatch"), "{short}");
    assert_eq!(send_part(&program, &id, 2, b"x").await.status, 404, "there are two parts");
    // A program that starts anew sees what is there and sends the rest.
    let resumed = app.token("jobs").await;
    let stands = resumed.get(&format!("/api/v1/uploads/{id}")).await.value();
    assert_eq!((&stands["part_count"], &stands["parts_stored"]), (&json!(2), &json!([1])));
    assert_eq!(send_part(&resumed, &id, 0, &bytes[..part_size]).await.status, 200);
    let done = complete(&resumed, &id).await;
    assert_eq!((done.status, &done.value()["blake3"]), (200, &json!(hash_of(&bytes).to_string())), "{done}");
    let again = complete(&resumed, &id).await;
    assert_eq!((again.status, again.value()), (200, done.value()), "completing again is harmless");
    let content = &done.value()["content"];
    assert_eq!((&content["scenes"], &content["blend_files"]), (&json!([]), &json!(["noise.blend"])));
    assert!(content["warnings"][0].as_str().unwrap().contains("could not be read"), "{done}");
}

#[tokio::test]
async fn a_program_that_kept_nothing_goes_on_where_it_broke_off() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let part_size = usize::try_from(UPLOAD_PART_BYTES).unwrap();
    let bytes = vec![7; part_size + 1_000];
    let id = begin(&program, "long.blend", &bytes, Some(hash_of(&bytes))).await;
    assert_eq!(send_part(&program, &id, 0, &bytes[..part_size]).await.status, 200);
    let hash = hash_of(&bytes).to_string();
    let new = json!({ "file_name": "long.blend", "size": bytes.len(), "blake3": hash });
    let found = program.post("/api/v1/uploads", &new).await.value();
    assert_eq!((&found["id"], &found["parts_stored"]), (&json!(id), &json!([0])), "{found}");
    let longer = json!({ "file_name": "long.blend", "size": bytes.len() + 1, "blake3": hash });
    assert_ne!(program.post("/api/v1/uploads", &longer).await.value()["id"], json!(id), "another file");
    let stranger = app.token_of(&app.stranger().await, "all").await;
    assert_ne!(stranger.post("/api/v1/uploads", &new).await.value()["id"], json!(id), "another account");
}

#[tokio::test]
async fn a_part_that_is_sent_again_and_breaks_off_leaves_the_good_copy() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let bytes = b"BLENDER-v304 and nothing more";
    let id = begin(&program, "a.blend", bytes, Some(hash_of(bytes))).await;
    assert_eq!(send_part(&program, &id, 0, bytes).await.status, 200);
    let path = format!("/api/v1/uploads/{id}/parts/0");
    let torn = futures_util::stream::iter([Ok(&b"BLAH"[..]), Err(std::io::Error::other("the line broke"))]);
    let broken = program.request("PUT", &path).body(reqwest::Body::wrap_stream(torn)).send().await;
    assert!(broken.is_err());
    for odd in [&b"short"[..], &b"and this is longer than what was announced"[..]] {
        // Without an announced length, so that the bytes themselves are counted.
        let streamed = futures_util::stream::iter([Ok::<_, std::io::Error>(odd.to_vec())]);
        let request = program.request("PUT", &path).body(reqwest::Body::wrap_stream(streamed));
        let refused = Reply::of(request).await;
        assert!(matches!(refused.status, 413 | 422), "{refused}");
    }
    let done = complete(&program, &id).await;
    assert_eq!((done.status, &done.value()["blake3"]), (200, &json!(hash_of(bytes).to_string())), "{done}");
}

#[tokio::test]
async fn the_same_bytes_are_sent_once_by_one_account_and_stay_its_own() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let bytes = b"BLENDER-v304 and nothing more";
    assert_eq!(upload(&program, "a.blend", bytes).await.status, 200);
    let new = json!({ "file_name": "b.blend", "size": bytes.len(), "blake3": hash_of(bytes).to_string() });
    let known = program.post("/api/v1/uploads", &new).await;
    assert_eq!((known.status, &known.value()["blake3"]), (200, &new["blake3"]), "{known}");
    let stranger = app.token_of(&app.stranger().await, "all").await;
    let unknown = stranger.post("/api/v1/uploads", &new).await;
    assert_eq!(
        (unknown.status, &unknown.value()["blake3"]),
        (201, &Value::Null),
        "a hash is no right: {unknown}"
    );
    let id = known.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(stranger.get(&format!("/api/v1/uploads/{id}")).await.status, 404);
    assert_eq!(stranger.get(&format!("/api/v1/blobs/{}", hash_of(bytes))).await.status, 404);
    let job =
        stranger.post("/api/v1/jobs", &json!({ "blake3": hash_of(bytes).to_string(), "frames": "1" })).await;
    assert_eq!(job.status, 422, "{job}");
}

#[tokio::test]
async fn bytes_that_are_not_the_announced_ones_are_thrown_away() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let id = begin(&program, "a.blend", b"12345", Some(hash_of(b"54321"))).await;
    assert_eq!(send_part(&program, &id, 0, b"12345").await.status, 200);
    let refused = complete(&program, &id).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "hash_mismatch"), "{refused}");
    assert_eq!(program.get(&format!("/api/v1/uploads/{id}")).await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_before_it_is_sent() {
    let app = TestApp::start_with(|config| config.limits.upload_bytes_max = 1_000).await;
    let program = app.token("jobs").await;
    let mut answers = Vec::new();
    for (name, size) in
        [("a.blend", 1_001), ("a.blend", 0), ("a.exe", 5), ("../a.blend", 5), ("a.blend", 1_000)]
    {
        let answer = program.post("/api/v1/uploads", &json!({ "file_name": name, "size": size })).await;
        answers.push((answer.status, answer.code()));
    }
    let refused = |status: u16, code: &str| (status, code.to_owned());
    let invalid = refused(422, "invalid_input");
    let wanted = [refused(413, "too_large"), invalid.clone(), invalid.clone(), invalid, refused(201, "")];
    assert_eq!(answers, wanted);
    let reader = app.token("read").await;
    let forbidden = reader.post("/api/v1/uploads", &json!({ "file_name": "a.blend", "size": 5 })).await;
    assert_eq!(forbidden.status, 403, "{forbidden}");
}

#[tokio::test]
async fn a_scene_of_blender_says_what_is_in_it() {
    for name in ["plain.blend", "packed.blend"] {
        let Some(bytes) = made(name) else { return };
        let app = TestApp::start().await;
        let done = upload(&app.token("jobs").await, name, &bytes).await;
        assert_eq!(done.status, 200, "{done}");
        let content = &done.value()["content"];
        assert_eq!(content["file_count"], 1);
        let scenes = content["scenes"].as_array().unwrap();
        assert_eq!(
            scenes.iter().map(|scene| scene["name"].clone()).collect::<Vec<_>>(),
            ["Garden", "Kitchen"]
        );
        let kitchen = json!({
            "file": name, "name": "Kitchen", "is_active": true, "cameras": ["Main Camera", "A Camera"],
            "is_list_whole": true,
            "frame_start": 0, "frame_end": 48, "frame_step": 2, "fps": 25, "engine": "cycles",
            "width": 640, "height": 360, "resolution_percent": 50, "samples": 17, "saved_with": "3.4",
        });
        assert_eq!(scenes[1], kitchen);
        assert_eq!(
            (&scenes[0]["engine"], &scenes[0]["cameras"]),
            (&json!("eevee"), &json!(["Garden Camera"]))
        );
        let mut warnings: Vec<&str> =
            content["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        warnings.sort_unstable();
        let missing = |file: &str| {
            format!("{name}: image {file:?} needs \"//textures/{file}.png\", which is not in the upload")
        };
        assert_eq!(warnings, [missing("lost"), missing("wood")], "the packed picture is not missing");
    }
}

#[tokio::test]
async fn a_camera_or_scene_that_is_not_in_the_file_is_refused_with_those_that_are() {
    let Some(bytes) = made("plain.blend") else { return };
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let blake3 = upload(&program, "plain.blend", &bytes).await.value()["blake3"].clone();
    let asked = async |scene: Value, camera: &str| {
        let new = json!({ "blake3": blake3, "scene": scene, "camera": camera, "paused": true });
        let made = program.post("/api/v1/jobs", &new).await;
        (made.status, made.value()["fields"].clone())
    };
    let wrong = json!([{
        "field": "camera",
        "message": "there is no camera \"Nope\" in the file; it has: Main Camera, A Camera, Garden Camera",
    }]);
    assert_eq!(asked(Value::Null, "Nope").await, (422, wrong));
    let wrong = json!([{
        "field": "scene",
        "message": "there is no scene \"Attic\" in the file; it has: Garden, Kitchen",
    }]);
    assert_eq!(asked(json!("Attic"), "A Camera").await, (422, wrong));
    assert_eq!(asked(json!("Kitchen"), "A Camera").await.0, 201);
    assert_eq!(asked(json!("Garden"), "Garden Camera").await.0, 201);
    let browser = app.sign_in().await.with("accept", "text/html");
    let hash = blake3.as_str().unwrap();
    let sent = browser.form("/jobs", &[("blake3", hash), ("frames", "1"), ("camera", "Nope")]).await;
    assert_eq!(sent.status, 422, "{sent}");
    assert!(
        sent.text().contains("There is no camera &quot;Nope&quot; in the file; it has: Main Camera"),
        "{sent}"
    );
}

#[tokio::test]
async fn a_name_is_taken_where_the_file_may_have_more_than_was_read() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    for name in ["linked.blend", "excluded.blend", "noise.blend"] {
        let bytes = if name == "noise.blend" { Some(b"BLENDER noise".to_vec()) } else { made(name) };
        let Some(bytes) = bytes else { return };
        let uploaded = upload(&program, name, &bytes).await.value();
        let whole = uploaded["content"]["scenes"][0]["is_list_whole"].as_bool();
        assert_ne!(whole, Some(true), "{uploaded}");
        assert_eq!(whole.is_some(), name != "noise.blend", "{uploaded}");
        let new = json!({
            "blake3": uploaded["blake3"], "camera": "Nope", "scene": "Nope", "frames": "1", "paused": true,
        });
        let made = program.post("/api/v1/jobs", &new).await;
        assert_eq!(made.status, 201, "{name}: {made}");
    }
}

#[tokio::test]
async fn a_damaged_scene_is_taken_with_a_warning() {
    let Some(mut bytes) = made("plain.blend") else { return };
    let length = bytes.len();
    for byte in &mut bytes[2_000..length - 2_000] {
        *byte ^= 0x5a;
    }
    let app = TestApp::start().await;
    let done = upload(&app.token("jobs").await, "damaged.blend", &bytes).await;
    assert_eq!(done.status, 200, "{done}");
    assert_eq!(done.value()["content"]["scenes"], json!([]));
    let warning = done.value()["content"]["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.starts_with("damaged.blend could not be read here: "), "{warning}");
}

/// This as the only file of a zstd frame that does not compress (RFC 8878, 3.1.1).
fn in_zstd(bytes: &[u8]) -> Vec<u8> {
    let size = u8::try_from(bytes.len()).unwrap();
    let last_raw_block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size][..], &last_raw_block[..3], bytes].concat()
}

#[tokio::test]
async fn what_only_has_the_name_of_a_scene_is_refused_in_words() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let text = b"Dear render farm, this is my scene.";
    let not_blend = "\"scene.blend\" is not a .blend file, whatever its name says: save the scene in Blender";
    for (bytes, words) in [
        (text.to_vec(), not_blend),
        (b"BLENDE".to_vec(), not_blend),
        (in_zstd(text), not_blend),
        (b"PK\x03\x04 and so on".to_vec(), "is a zip, not a .blend file: give its name the ending .zip"),
    ] {
        let refused = upload(&program, "scene.blend", &bytes).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_input"), "{refused}");
        let field = &refused.value()["fields"][0];
        assert_eq!(field["field"], "file", "{refused}");
        assert!(field["message"].as_str().unwrap().contains(words), "{refused}");
        assert_eq!(app.store.blob(hash_of(&bytes)).await.unwrap(), None, "nothing is kept");
    }
}

#[tokio::test]
async fn packed_scenes_are_taken() {
    let Some(plain) = made("plain.blend") else { return };
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let zstd = made("packed.blend").unwrap();
    assert!(zstd.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "Blender packs with zstd");
    let gzip = in_gzip(&plain);
    for (name, bytes) in [("zstd.blend", &zstd), ("gzip.blend", &gzip)] {
        let done = upload(&program, name, bytes).await;
        assert_eq!(done.status, 200, "{done}");
        assert_eq!(done.value()["content"]["scenes"].as_array().unwrap().len(), 2, "{done}");
    }
    let refused = upload(&program, "text.blend", &in_gzip(b"Dear render farm, this is no scene.")).await;
    assert_eq!(refused.status, 422, "{refused}");
}

/// As Blender did before 3.0; in stored blocks (RFC 1951, 3.2.4).
fn in_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let count = bytes.chunks(0xffff).len();
    for (index, block) in bytes.chunks(0xffff).enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        packed.push(u8::from(index + 1 == count));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    packed
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
