//! Rules of reading, a few lines each. Whole outputs as Debian's 3.4.1 and bpy 5.0.1 wrote them are in
//! `recorded`; lines here are shortened or put together from those, and lines of GPUs and of versions between
//! are written after Blender's source, not recorded: none of them was at hand.

use pictor_actors::now::Mono;
use pictor_actors::protocol::FailureClass;
use pictor_actors::units::Millis;

use super::*;

fn stats(line: &str) -> Stats {
    let Line::Stats(stats) = read_line(line) else { panic!("{line}: no statistics") };
    stats
}

#[test]
fn statistics_of_the_output() {
    let read = stats(
        "Fra:1 Mem:10.14M (Peak 10.31M) | Time:00:00.09 | Remaining:00:01.25 | \
         Mem:0.84M, Peak:1.50M | Scene, ViewLayer | Sample 1/2",
    );
    assert_eq!(read.samples, Some((1, 2)));
    assert_eq!(read.remaining, Some(Millis(1250)));
    assert_eq!(read.peak_bytes, Some(1_572_864));
    assert_eq!(read.text.as_deref(), Some("Sample 1/2"));

    let building = stats(
        "Fra:12 Mem:9.55M (Peak 9.55M) | Time:00:00.08 | Mem:0.00M, Peak:0.00M | \
         Scene, ViewLayer | Updating Scene BVH | Building BVH 44%",
    );
    assert_eq!(building.samples, None);
    assert_eq!(building.text.as_deref(), Some("Updating Scene BVH | Building BVH 44%"));
    let film = stats("Fra:1 Mem:10.1M (Peak 10.2M) | Time:01:02:03.04 | Finished");
    assert_eq!(film.text.as_deref(), Some("Finished"));
}

#[test]
fn statistics_with_tiles_and_of_eevee() {
    let tiled = read_stats(
        "Fra:7 Mem:2.1G (Peak 2.5G) | Time:00:09.00 | Remaining:01:00:03.07 | \
         Mem:200K, Peak:1.5G | Scene, Front | Rendered 1/4 Tiles, Sample 3/32",
    );
    assert_eq!(tiled.tiles, Some((1, 4)));
    assert_eq!(tiled.samples, Some((3, 32)));
    assert_eq!(tiled.remaining, Some(Millis(3_603_070)));
    assert_eq!(tiled.peak_bytes, Some(1_610_612_736));
    let eevee = read_stats("Fra:1 Mem:30.00M (Peak 30.0M) | Time:00:00.11 | Rendering 5 / 64 samples");
    assert_eq!(eevee.samples, Some((5, 64)));
}

#[test]
fn text_of_the_handler() {
    let read = read_stats("Remaining: 00:03.07 | Mem: 8M | Sample 1/32");
    assert_eq!(read.samples, Some((1, 32)));
    assert_eq!(read.remaining, Some(Millis(3070)));
    assert_eq!(read.text.as_deref(), Some("Sample 1/32"));
    assert_eq!(
        read_stats("Mem: 0M | Synchronizing object | Light").text.as_deref(),
        Some("Synchronizing object | Light")
    );
    assert_eq!(read_stats("Rendering 5 / 0 samples").samples, None);
    assert_eq!(read_stats(""), Stats::default());
}

#[test]
fn prefixes_of_5_x_are_taken_off() {
    let saved = Line::Saved { path: "/out/f1.png".to_owned() };
    assert_eq!(read_line("Saved: '/out/f1.png'"), saved);
    assert_eq!(read_line("00:01.361  render           | Saved: '/out/f1.png'"), saved);
    assert_eq!(read_line("render | Saved: '/out/f1.png'"), saved);
    assert_eq!(
        read_line(
            "00:00.855  cycles           | WARNING CUEW initialization failed: Error opening the library"
        ),
        Line::Other
    );
    assert_eq!(read_line(" Time: 00:00.28 (Saving: 00:00.18)"), Line::Other);
    assert_eq!(read_line("  "), Line::Empty);
}

#[test]
fn symptoms_are_named_and_tell_whether_the_frame_is_lost() {
    for (line, class, fatal) in [
        ("scripts disabled for \"/in/a.blend\", skipping 'evil.py'", FailureClass::NeedsScripts, true),
        (
            "\tBPY_driver_exec: restricted access disallows name '__import__', enable \
             auto-execution to support",
            FailureClass::NeedsScripts,
            true,
        ),
        ("skipping driver 'str(frame)', automatic scripts are disabled", FailureClass::NeedsScripts, true),
        (
            "CUDA error: Out of memory in cuMemAlloc(&device_pointer, size)",
            FailureClass::OutOfGpuMemory,
            true,
        ),
        ("00:09.1  cycles | ERROR System is out of GPU memory", FailureClass::OutOfGpuMemory, true),
        (
            "Out of memory in CUDA queue enqueue (integrator_init_from_camera)",
            FailureClass::OutOfGpuMemory,
            true,
        ),
        (
            "CUDA nvcc compiler not found. Install CUDA toolkit in default location.",
            FailureClass::EngineNotAvailable,
            true,
        ),
        (
            "Failed to load OptiX kernel from '/x' (OPTIX_ERROR_INTERNAL_COMPILER_ERROR)",
            FailureClass::EngineNotAvailable,
            true,
        ),
        ("Illegal address in CUDA queue synchronize ()", FailureClass::Crash, true),
        (
            "00:02.1  cycles | ERROR Refer to the Cycles GPU rendering documentation for possible solutions:",
            FailureClass::Crash,
            true,
        ),
        ("Error: Out of memory", FailureClass::OutOfMemory, true),
        (
            "Calloc returns null: len=73728000000 in imb_addrectfloatImBuf, total 73759172552",
            FailureClass::OutOfMemory,
            true,
        ),
        ("terminate called after throwing an instance of 'std::bad_alloc'", FailureClass::OutOfMemory, true),
        ("Render error (No space left on device) cannot save: '/out/f1.png'", FailureClass::DiskFull, false),
        ("Error: Cannot render, no camera", FailureClass::NoCamera, false),
        ("Unable to open a display", FailureClass::EngineNotAvailable, false),
        ("Writing: /tmp/a.crash.txt", FailureClass::Crash, false),
    ] {
        assert_eq!(read_line(line), Line::Symptom(Symptom { class, fatal }), "{line}");
    }
}

#[test]
fn names_that_a_creator_chose_are_no_symptoms() {
    let line = "Fra:1 Mem:9.05M (Peak 9.12M) | Time:00:00.00 | \
         Mem:0.00M, Peak:0.00M | Scene, ViewLayer | Synchronizing object | Error: Out of memory";
    assert!(matches!(read_line(line), Line::Stats(_)));
}

#[test]
fn part_done_rises_over_layers_and_tiles_and_never_falls() {
    let sample = |a, b| Stats { samples: Some((a, b)), ..Stats::default() };
    let mut two_layers = Tracker::new(2);
    assert_eq!(two_layers.observe(&Stats::default()), None);
    assert_eq!(two_layers.observe(&sample(0, 4)), Some(0.0));
    assert_eq!(two_layers.observe(&sample(4, 4)), Some(0.5));
    assert_eq!(two_layers.observe(&sample(0, 4)), Some(0.5));
    assert_eq!(two_layers.observe(&sample(2, 4)), Some(0.75));
    assert_eq!(two_layers.observe(&Stats::default()), Some(0.75));
    assert_eq!(two_layers.observe(&sample(9, 4)), Some(1.0));
    let mut one = Tracker::new(1);
    one.observe(&sample(3, 4));
    assert_eq!(one.observe(&sample(1, 4)), Some(0.75));
    let tile = Stats { samples: Some((16, 32)), tiles: Some((1, 4)), ..Stats::default() };
    assert_eq!(Tracker::new(0).observe(&tile), Some(0.375));
}

#[test]
fn progress_goes_out_once_a_second() {
    let mut gate = ProgressGate::default();
    let sent = (0..100).filter(|tenth| gate.admit(Mono(tenth * 100))).count();
    assert_eq!(sent, 10);
}

#[test]
fn lines_are_bounded_and_the_rest_is_counted() {
    let mut gate = LineGate::default();
    let passed = (0..1000).filter(|_| gate.admit(Mono(5)).is_some()).count();
    assert_eq!(passed, 60);
    assert_eq!(gate.admit(Mono(105)), Some(940));
    assert_eq!(gate.admit(Mono(105)), None);
    assert_eq!(gate.admit(Mono(3_600_000)), Some(1));
}

#[test]
fn an_ending_is_put_into_words() {
    let class = |ending, seen| verdict_of_ending(ending, seen).0;
    assert_eq!(class(Ending::Signal(11), None), FailureClass::Crash);
    assert_eq!(class(Ending::Signal(6), Some(FailureClass::OutOfMemory)), FailureClass::OutOfMemory);
    assert_eq!(class(Ending::Signal(9), None), FailureClass::OutOfMemory);
    assert_eq!(class(Ending::Code(0), None), FailureClass::Crash);
    assert_eq!(class(Ending::Code(66), None), FailureClass::WorkerError);
    assert_eq!(class(Ending::Signal(25), None), FailureClass::DiskFull);
    assert!(verdict_of_ending(Ending::Signal(11), None).1.contains("segmentation fault"));
    assert_eq!(class_of_text("Error: Cannot render, no camera"), Some(FailureClass::NoCamera));
    assert_eq!(class_of_text("something new"), None);
}
