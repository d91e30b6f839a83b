//! Settings over the file's.

use pictor_actors::protocol::FailureClass;
use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine};
use pictor_actors::protocol::outcome::WarningClass;
use pictor_worker::engines::EngineEvent;

use super::support::{Rig, pixels};

#[tokio::test]
async fn scene_camera_size_samples_and_format_are_taken() {
    let mut rig = Rig::new("two_scenes.blend");
    rig.request.render.scene = Some("Second".into());
    let mut running = rig.start().await.unwrap();
    let (path, _) = running.frame(1).await;
    assert_eq!(pixels(&path).dimensions(), (32, 32));

    let mut rig = Rig::new("two_scenes.blend");
    rig.request.render.scene = Some("First".into());
    let front = rig.start().await.unwrap().frame(1).await.0;
    let front = pixels(&front);
    rig.request.render.camera = Some("Side".into());
    rig.request.render.resolution = Some((48, 32));
    rig.request.render.samples = Some(1);
    rig.request.render.format = OutputFormat::Jpeg;
    let mut running = rig.start().await.unwrap();
    let (path, _) = running.frame(1).await;
    assert_eq!(path.extension().unwrap(), "jpg");
    assert_eq!(pixels(&path).dimensions(), (48, 32));
    assert_ne!(front.dimensions(), (48, 32));
    let ready = running.seen.iter().find_map(|event| match event {
        EngineEvent::Ready { engine, device } => Some((engine.clone(), device.clone())),
        _ => None,
    });
    let (engine, device) = ready.unwrap();
    assert!(engine.starts_with("Blender 3.") || engine.starts_with("Blender 4."), "{engine}");
    assert!(device.starts_with("CPU, "), "{device}");
}

#[tokio::test]
async fn multilayer_exr_holds_every_view_layer() {
    let mut rig = Rig::new("layers.blend");
    rig.request.render.format = OutputFormat::OpenExrMultilayer;
    let (path, _) = rig.start().await.unwrap().frame(1).await;
    let image = exr::prelude::read_all_flat_layers_from_file(path).unwrap();
    let mut names = Vec::new();
    for layer in &image.layer_data {
        let prefix = layer.attributes.layer_name.as_ref().map(|name| format!("{name}.")).unwrap_or_default();
        names.extend(layer.channel_data.list.iter().map(|channel| format!("{prefix}{}", channel.name)));
    }
    for wanted in ["Front.Combined.R", "Back.Combined.R", "Back.Normal.X"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }
}

#[tokio::test]
async fn plain_exr_is_one_image() {
    let mut rig = Rig::new("moving.blend");
    rig.request.render.format = OutputFormat::OpenExr;
    let (path, _) = rig.start().await.unwrap().frame(1).await;
    let image = exr::prelude::read_first_rgba_layer_from_file(
        path,
        |size, _| vec![[0_f32; 4]; size.width() * size.height()],
        |pixels: &mut Vec<[f32; 4]>, at, (r, g, b, a): (f32, f32, f32, f32)| {
            pixels[at.y() * 64 + at.x()] = [r, g, b, a]
        },
    )
    .unwrap();
    assert_eq!(image.layer_data.size, (64, 36).into());
    assert!(image.layer_data.channel_data.pixels.iter().any(|pixel| pixel[0] > 0.1));
}

#[tokio::test]
async fn a_denoiser_that_is_not_there_is_switched_off_and_told() {
    let rig = Rig::new("denoised.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    // A Blender with a denoiser has nothing to tell.
    let told = running
        .warnings()
        .iter()
        .any(|(class, text)| *class == WarningClass::SettingChanged && text.contains("denois"));
    let debian = running
        .seen
        .iter()
        .any(|e| matches!(e, EngineEvent::Ready { engine, .. } if engine.contains("3.4.1")));
    assert!(told || !debian);
}

#[tokio::test]
async fn a_scene_that_wants_a_gpu_is_told_that_it_got_none() {
    let rig = Rig::new("wants_gpu.blend");
    let mut running = rig.start().await.unwrap();
    running.frame(1).await;
    assert!(running.warnings().iter().any(|(class, _)| *class == WarningClass::CpuFallback));
}

#[tokio::test]
async fn names_that_are_not_in_the_file_are_refused_with_those_that_are() {
    let mut rig = Rig::new("two_scenes.blend");
    rig.request.render.scene = Some("Third".into());
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::BadScene);
    assert!(failure.message.contains("'Third'") && failure.message.contains("'Second'"), "{failure}");

    rig.request.render.scene = Some("First".into());
    rig.request.render.camera = Some("Lamp".into());
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::BadScene);
    assert!(failure.message.contains("'Lamp'") && failure.message.contains("'Side'"), "{failure}");
}

#[tokio::test]
async fn an_engine_that_does_not_run_here_is_refused() {
    let rig = Rig::new("eevee.blend");
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::EngineNotAvailable);
    assert!(failure.message.contains("eevee") && failure.message.contains("cycles"), "{failure}");

    let mut foreign = vec![Rig::new("foreign_engine.blend")];
    foreign.extend(Rig::of_module_too("foreign_engine.blend"));
    for rig in foreign {
        let failure = rig.fails_to_start().await;
        assert_eq!(failure.class, FailureClass::EngineNotAvailable, "{failure}");
        assert!(failure.message.contains("render engine"), "{failure}");
    }

    let mut rig = Rig::new("eevee.blend");
    rig.request.render.engine = Some(RenderEngine::Cycles);
    rig.start().await.unwrap().frame(1).await;
}

#[tokio::test]
async fn a_gpu_that_is_not_there_is_no_silent_fallback() {
    let mut rig = Rig::new("moving.blend");
    rig.request.slot.gpu_pci_id = Some("00000000:7F:00.0".into());
    let failure = rig.fails_to_start().await;
    assert_eq!(failure.class, FailureClass::EngineNotAvailable);
}
