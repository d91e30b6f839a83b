//! Zips: a scene with its files, and everything that somebody might try.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::scenes::made;
use super::upload;
use crate::harness::TestApp;

/// A zip of these files.
pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(*path, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The zip is refused with these words, and nothing of the upload is left.
async fn refused(zip: &[u8], words: &str) {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let answer = upload(&program, "scene.zip", zip).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid_input"), "{words}: {answer}");
    let detail = answer.value()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(words), "{detail:?} does not say {words:?}");
    let job = json!({ "blake3": super::hash_of(zip).to_string(), "frames": "1" });
    assert_eq!(program.post("/api/v1/jobs", &job).await.status, 422);
}

#[tokio::test]
async fn a_scene_with_its_texture_is_unpacked_and_its_links_are_found() {
    let (Some(blend), Some(wood)) = (made("packed.blend"), made("textures/wood.png")) else { return };
    let zip = zip_of(&[
        ("kitchen.blend", &blend),
        ("textures/wood.png", &wood),
        ("__MACOSX/._kitchen.blend", b"x"),
        (".DS_Store", b"x"),
    ]);
    let app = TestApp::start().await;
    let done = upload(&app.token("jobs").await, "kitchen.zip", &zip).await;
    assert_eq!(done.status, 200, "{done}");
    let content = &done.value()["content"];
    assert_eq!((&content["file_count"], &content["blend_files"]), (&json!(2), &json!(["kitchen.blend"])));
    assert_eq!(content["scenes"][1]["file"], "kitchen.blend");
    let lost = "kitchen.blend: image \"lost\" needs \"//textures/lost.png\", which is not in the upload";
    assert_eq!(content["warnings"], json!([lost]));
}

#[tokio::test]
async fn of_several_scenes_one_has_to_be_named() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let zip = zip_of(&[("a.blend", b"BLENDER a"), ("b/b.blend", b"BLENDER b"), ("t.png", b"x")]);
    let done = upload(&program, "both.zip", &zip).await;
    assert_eq!(done.value()["content"]["blend_files"], json!(["a.blend", "b/b.blend"]), "{done}");
    let job = |main: Option<&str>| json!({ "blake3": done.value()["blake3"], "frames": "1-2", "main": main });
    let unnamed = program.post("/api/v1/jobs", &job(None)).await;
    assert_eq!((unnamed.status, unnamed.code().as_str()), (422, "main_needed"), "{unnamed}");
    let detail = unnamed.value()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("\"a.blend\"") && detail.contains("\"b/b.blend\""), "{detail}");
    let wrong = program.post("/api/v1/jobs", &job(Some("c.blend"))).await;
    assert_eq!((wrong.status, &wrong.value()["fields"][0]["field"]), (422, &json!("main")), "{wrong}");
    let named = program.post("/api/v1/jobs", &job(Some("b/b.blend"))).await;
    assert_eq!((named.status, &named.value()["settings"]["main"]), (201, &json!("b/b.blend")), "{named}");
}

#[tokio::test]
async fn what_only_has_the_name_of_a_scene_is_left_out_of_a_zip_with_a_warning() {
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let of_a_mac = b"\0\x05\x16\x07 of a Mac";
    let zip = zip_of(&[("._a.blend", of_a_mac), ("a.blend", b"BLENDER a"), ("b.blend", b"")]);
    let done = upload(&program, "scene.zip", &zip).await.value();
    let content = &done["content"];
    assert_eq!((&content["blend_files"], &content["file_count"]), (&json!(["a.blend"]), &json!(3)), "{done}");
    for (at, name) in ["._a.blend", "b.blend"].into_iter().enumerate() {
        let warning = content["warnings"][at].as_str().unwrap();
        assert!(warning.starts_with(&format!("{name:?} is not a .blend file")), "{warning}");
    }
    let job = json!({ "blake3": done["blake3"], "frames": "1-2" });
    let made = program.post("/api/v1/jobs", &job).await;
    assert_eq!((made.status, &made.value()["settings"]["main"]), (201, &json!("a.blend")), "{made}");
}

#[tokio::test]
async fn paths_that_lead_out_are_refused() {
    for path in ["../evil.blend", "/etc/evil.blend", "a/../../evil.blend", "C:/evil.blend"] {
        refused(&zip_of(&[("a.blend", b"x"), (path, b"x")]), "leads out of its folder").await;
    }
    refused(&zip_of(&[("a\\b.blend", b"x")]), "character").await;
    refused(&zip_of(&[("Tex/a.blend", b"x"), ("tex/b.png", b"x")]), "same file on some systems").await;
}

#[tokio::test]
async fn the_same_path_twice_is_refused() {
    // The writer does not let us: the second name is changed afterwards, in the entry and in the table.
    let mut zip = zip_of(&[("a.blend", b"one"), ("b.blend", b"two")]);
    for at in 0..zip.len() - 7 {
        if &zip[at..at + 7] == b"b.blend" {
            zip[at] = b'a';
        }
    }
    refused(&zip, "the same path twice").await;
}

#[tokio::test]
async fn links_and_encrypted_entries_are_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.blend", SimpleFileOptions::default()).unwrap();
    zip.add_symlink("textures", "/etc", SimpleFileOptions::default()).unwrap();
    refused(&zip.finish().unwrap().into_inner(), "link or a special file").await;
    // The flag that says *encrypted*, in the entry and in the table.
    let mut zip = zip_of(&[("a.blend", b"secret")]);
    let entry_flags = 6;
    let table = zip.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    zip[entry_flags] |= 1;
    zip[table + 8] |= 1;
    refused(&zip, "is encrypted").await;
}

#[tokio::test]
async fn a_bomb_is_refused() {
    let zeros = vec![0; 16 * 1024 * 1024];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.blend", SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
        .unwrap();
    for _ in 0..20 {
        zip.write_all(&zeros).unwrap();
    }
    let mut zip = zip.finish().unwrap().into_inner();
    assert!(zip.len() < 1024 * 1024);
    refused(&zip, "too large unpacked").await;
    // The same with a table that says the file is small.
    let table = zip.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    zip[table + 24..table + 28].copy_from_slice(&100u32.to_le_bytes());
    zip[22..26].copy_from_slice(&100u32.to_le_bytes());
    refused(&zip, "").await;
}

#[tokio::test]
async fn too_many_files_are_refused() {
    let names: Vec<String> = (0..10_001).map(|number| format!("f{number}.blend")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    refused(&zip_of(&files), "10001 files; at most 10000").await;
}

#[tokio::test]
async fn what_is_no_zip_or_holds_no_scene_is_refused() {
    refused(b"not a zip at all", "not a zip file").await;
    let whole = zip_of(&[("a.blend", &[7; 5_000])]);
    refused(&whole[..whole.len() - 30], "not a zip file").await;
    refused(&zip_of(&[("readme.txt", b"x")]), "no .blend file").await;
    let words = "the zip holds no scene: \"a.blend\" is not a .blend file";
    refused(&zip_of(&[("a.blend", b"text"), ("b.blend", b"")]), words).await;
    refused(&zip_of(&[]), "the zip is empty").await;
}

#[tokio::test]
async fn an_entry_whose_bytes_are_damaged_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("a.blend", stored).unwrap();
    zip.write_all(&[7; 5_000]).unwrap();
    let mut zip = zip.finish().unwrap().into_inner();
    zip[2_000] ^= 1;
    refused(&zip, "damaged").await;
}

#[tokio::test]
async fn many_small_files_are_taken_within_the_limits() {
    let names: Vec<String> = (0..300).map(|number| format!("t/{number:03}.png")).collect();
    let contents: Vec<Vec<u8>> = (0..300u32).map(|number| number.to_le_bytes().to_vec()).collect();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().zip(&contents).map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    files.push(("a.blend", b"BLENDER"));
    let app = TestApp::start().await;
    let program = app.token("jobs").await;
    let done = upload(&program, "many.zip", &zip_of(&files)).await;
    assert_eq!(done.value()["content"]["file_count"], 301, "{done}");
    let list = done.value()["content"]["files_blake3"].as_str().unwrap().to_owned();
    let list: Value = program.get(&format!("/api/v1/blobs/{list}")).await.json();
    let paths: Vec<&str> =
        list["files"].as_array().unwrap().iter().filter_map(|file| file["path"].as_str()).collect();
    assert!(paths.len() == 301 && paths.is_sorted());
}
