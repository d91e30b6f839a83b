//! Frames on their way to the creator.

use std::io::{Cursor, Read};

use image::GenericImageView;
use pictor_actors::ids::JobId;
use pictor_actors::protocol::LeaseRef;
use pictor_actors::protocol::assignment::{OutputFormat, RenderSettings};
use pictor_actors::protocol::upload::{FENCE_HEADER, HASH_HEADER, RENDER_MS_HEADER};
use pictor_actors::units::BlobHash;
use pictor_cloud::store::{NewJobRow, NewTaskRow};
use pictor_cloud_domain::job::{FrameSet, JobState};

use super::hash_of;
use super::scenes::made;
use crate::harness::{Client, Reply, TestApp, TestWorker};

/// A job of the owner in this format, its frames leased to the worker.
async fn leased(app: &TestApp, worker: &TestWorker, format: OutputFormat, frames: &str) -> (JobId, LeaseRef) {
    let set: FrameSet = frames.parse().unwrap();
    let new = NewJobRow {
        id: JobId::generate(),
        account_id: app.owner.id,
        name: "Küche.blend".into(),
        state: JobState::Ready,
        priority: 50,
        source_hash: BlobHash::from_bytes([7; 32]),
        inputs_hash: None,
        main: "kitchen.blend".into(),
        settings: RenderSettings { format, ..RenderSettings::default() },
        engine: None,
        frame_time_limit_ms: 60_000,
        frames: set.to_string(),
        frames_total: set.len(),
        chunk: None,
    };
    let job = app.store.create_job(&new, app.now()).await.unwrap();
    let task = pictor_actors::ids::TaskId::generate();
    let row = NewTaskRow { id: task, frames: job.frames.clone(), frames_total: job.frames_total };
    app.store.cut_tasks(job.id, 0, &[row], app.now()).await.unwrap();
    (job.id, app.grant(task, worker.row.id, 0).await)
}

async fn deliver(client: &Client, lease: LeaseRef, frame: i32, body: &[u8]) {
    let request = client
        .request("PUT", &format!("/api/v1/leases/{}/frames/{frame}", lease.lease))
        .header(FENCE_HEADER, lease.fence.to_string())
        .header(HASH_HEADER, hash_of(body).to_string())
        .header(RENDER_MS_HEADER, "1500")
        .body(body.to_vec());
    let stored = Reply::of(request).await;
    assert_eq!(stored.status, 201, "{stored}");
}

#[tokio::test]
async fn a_frame_is_shown_saved_and_asked_for_in_parts() {
    let app = TestApp::start().await;
    let (worker, program) = (app.worker().await, app.token("read").await);
    let (job, lease) = leased(&app, &worker, OutputFormat::Png, "-1-2").await;
    deliver(&worker.client, lease, -1, b"0123456789").await;
    let path = format!("/api/v1/jobs/{job}/frames/-1");
    let shown = program.get(&path).await;
    assert_eq!((shown.status, shown.body.as_slice()), (200, &b"0123456789"[..]), "{shown}");
    assert_eq!((shown.header("content-type"), shown.header("content-disposition")), ("image/png", ""));
    assert_eq!((shown.header("accept-ranges"), shown.header("content-length")), ("bytes", "10"));
    let tag = shown.header("etag").to_owned();
    let known = program.with("if-none-match", &tag).get(&path).await;
    assert_eq!((known.status, known.body.len()), (304, 0), "{known}");
    let part = program.with("range", "bytes=-4").get(&path).await;
    assert_eq!(
        (part.status, part.body.as_slice(), part.header("content-range")),
        (206, &b"6789"[..], "bytes 6-9/10")
    );
    let other = program.with("range", "bytes=-4").with("if-range", "\"of other bytes\"").get(&path).await;
    assert_eq!((other.status, other.body.len()), (200, 10), "{other}");
    let saved = program.get(&format!("{path}?download=1")).await;
    let wanted = "attachment; filename=\"K_che_-0001.png\"; filename*=UTF-8''K%C3%BCche%5F%2D0001%2Epng";
    assert_eq!(saved.header("content-disposition"), wanted);
    let head = Reply::of(program.request("HEAD", &path)).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "10"), "{head}");
    assert_eq!(program.get(&format!("/api/v1/jobs/{job}/frames/0")).await.status, 404, "not stored yet");
    let stranger = app.token_of(&app.stranger().await, "all").await;
    for rest in ["frames/-1", "frames/-1/thumbnail", "frames.zip", "inputs"] {
        assert_eq!(stranger.get(&format!("/api/v1/jobs/{job}/{rest}")).await.status, 404, "{rest}");
    }
}

#[tokio::test]
async fn all_frames_come_in_one_zip() {
    let app = TestApp::start().await;
    let (worker, program) = (app.worker().await, app.token("read").await);
    let (job, lease) = leased(&app, &worker, OutputFormat::Png, "1-3").await;
    let path = format!("/api/v1/jobs/{job}/frames.zip");
    assert_eq!(program.get(&path).await.status, 409, "no frame yet");
    let large = vec![42; 3_000_000];
    deliver(&worker.client, lease, 1, b"one").await;
    deliver(&worker.client, lease, 3, &large).await;
    let answer = program.get(&path).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"), "{}", answer.status);
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"K_che.zip\""));
    let mut zip = zip::ZipArchive::new(Cursor::new(answer.body)).unwrap();
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.push((entry.name().unwrap().into_owned(), bytes));
    }
    let wanted =
        [("Küche/Küche_0001.png".to_owned(), b"one".to_vec()), ("Küche/Küche_0003.png".to_owned(), large)];
    assert!(
        files == wanted,
        "{:?}",
        files.iter().map(|(name, bytes)| (name, bytes.len())).collect::<Vec<_>>()
    );
}

/// Mean of one channel over the picture, 0 to 255.
fn mean(picture: &image::DynamicImage, channel: usize) -> f64 {
    let sum: f64 = picture.pixels().map(|(_, _, pixel)| f64::from(pixel[channel])).sum();
    sum / f64::from(picture.width() * picture.height())
}

#[tokio::test]
async fn a_frame_of_every_format_is_shown_small() {
    let app = TestApp::start().await;
    let (worker, program) = (app.worker().await, app.token("read").await);
    let mut means = Vec::new();
    for (format, file) in [
        (OutputFormat::Png, "frame.png"),
        (OutputFormat::OpenExr, "flat.exr"),
        (OutputFormat::OpenExrMultilayer, "layers.exr"),
    ] {
        let Some(bytes) = made(file) else { return };
        let (job, lease) = leased(&app, &worker, format, "1").await;
        deliver(&worker.client, lease, 1, &bytes).await;
        let path = format!("/api/v1/jobs/{job}/frames/1/thumbnail");
        let first = program.get(&path).await;
        assert_eq!(first.status, 200, "{file}: {first}");
        let picture = image::load_from_memory(&first.body).unwrap();
        assert_eq!(picture.dimensions(), (160, 90), "{file}");
        let again = program.get(&path).await;
        assert_eq!(again.body, first.body, "kept");
        let known = program.with("if-none-match", first.header("etag")).get(&path).await;
        assert_eq!(known.status, 304);
        let large = program.get(&format!("{path}?size=large")).await;
        let large = image::load_from_memory(&large.body).unwrap();
        assert_eq!(large.dimensions(), (160, 90), "{file} is not made larger than it is");
        assert!((mean(&large, 0) - mean(&picture, 0)).abs() < 2.0, "{file}");
        means.push((file, mean(&picture, 0)));
    }
    // The default scene is a lit cube before grey: neither black nor white, and about the same in every
    // format.
    assert!(means.iter().all(|(_, red)| (20.0..200.0).contains(red)), "{means:?}");
    assert!((means[1].1 - means[2].1).abs() < 6.0, "both are the combined pass: {means:?}");
}

#[tokio::test]
async fn large_and_broken_frames_are_shown_small_or_not_at_all() {
    let app = TestApp::start().await;
    let (worker, program) = (app.worker().await, app.token("read").await);
    let (job, lease) = leased(&app, &worker, OutputFormat::Png, "1-4").await;
    let mut large = Cursor::new(Vec::new());
    image::RgbaImage::from_pixel(2_000, 1_000, image::Rgba([200, 10, 10, 128]))
        .write_to(&mut large, image::ImageFormat::Png)
        .unwrap();
    deliver(&worker.client, lease, 1, large.get_ref()).await;
    let small = program.get(&format!("/api/v1/jobs/{job}/frames/1/thumbnail")).await;
    assert_eq!(small.header("content-type"), "image/webp", "it has transparency: {}", small.status);
    let picture = image::load_from_memory(&small.body).unwrap();
    assert_eq!(
        (picture.dimensions(), picture.get_pixel(7, 7)),
        ((320, 160), image::Rgba([200, 10, 10, 128]))
    );
    let larger = program.get(&format!("/api/v1/jobs/{job}/frames/1/thumbnail?size=large")).await;
    assert_ne!(larger.header("etag"), small.header("etag"));
    assert_eq!(image::load_from_memory(&larger.body).unwrap().dimensions(), (1600, 800));
    let odd = program.get(&format!("/api/v1/jobs/{job}/frames/1/thumbnail?size=huge")).await;
    assert_eq!(odd.status, 400, "{odd}");
    deliver(&worker.client, lease, 2, b"no picture at all").await;
    // A head that promises 60,000 × 60,000 pixels.
    let mut bomb = large.into_inner();
    bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    deliver(&worker.client, lease, 3, &bomb).await;
    for frame in [2, 3] {
        let refused = program.get(&format!("/api/v1/jobs/{job}/frames/{frame}/thumbnail")).await;
        assert_eq!(refused.status, 422, "{refused}");
        assert!(refused.text().contains("cannot be shown small"), "{refused}");
    }
}

#[tokio::test]
async fn an_exr_frame_is_shown_large_in_the_range_of_a_screen() {
    let app = TestApp::start().await;
    let (worker, program) = (app.worker().await, app.token("read").await);
    let (job, lease) = leased(&app, &worker, OutputFormat::OpenExr, "1").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("light.exr");
    // Middle grey on the left, far brighter than any screen on the right.
    let light = |x: usize, _: usize| if x < 1_000 { (0.18_f32, 0.0_f32, 0.0_f32) } else { (9.0, 9.0, 9.0) };
    exr::prelude::write_rgb_file(&file, 2_000, 1_000, light).unwrap();
    deliver(&worker.client, lease, 1, &std::fs::read(&file).unwrap()).await;
    let path = format!("/api/v1/jobs/{job}/frames/1/thumbnail?size=large");
    let asked = (0..4).map(|_| program.get(&path));
    let replies = futures_util::future::join_all(asked).await;
    for reply in &replies {
        assert_eq!((reply.status, reply.header("content-type")), (200, "image/jpeg"), "{reply}");
        assert_eq!(reply.body, replies[0].body, "asked for by several at once, the same");
    }
    let picture = image::load_from_memory(&replies[0].body).unwrap();
    assert_eq!(picture.dimensions(), (1_600, 800));
    let (grey, bright) = (picture.get_pixel(400, 400), picture.get_pixel(1_200, 400));
    assert!(grey[0].abs_diff(118) < 6 && grey[2] < 12, "{grey:?}");
    assert!(bright[0] > 235, "{bright:?}");
    let known = program.with("if-none-match", replies[0].header("etag")).get(&path).await;
    assert_eq!(known.status, 304);
}
