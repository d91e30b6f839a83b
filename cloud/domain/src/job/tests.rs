use std::collections::BTreeSet;

use pictor_actors::protocol::assignment::{OutputFormat, RenderEngine};
use pictor_actors::units::Millis;
use proptest::prelude::*;

use super::frames::{FRAME_NUMBER_MAX, FrameError, FrameSet};
use super::plan::{FieldError, FileFacts, JobPlan, JobRequest};

fn frames(text: &str) -> Vec<i32> {
    text.parse::<FrameSet>().unwrap().iter().collect()
}

fn canonical(text: &str) -> String {
    text.parse::<FrameSet>().unwrap().to_string()
}

#[test]
fn expressions_and_their_canonical_text() {
    assert_eq!(frames("1-5"), [1, 2, 3, 4, 5]);
    assert_eq!(frames(" 7 , 3-9x3 "), [3, 6, 7, 9]);
    assert_eq!(frames("-2-1"), [-2, -1, 0, 1]);
    assert_eq!(frames("-10--8"), [-10, -9, -8]);
    for (text, expected) in [
        ("1-240", "1-240"),
        ("1-240x2", "1-239x2"),
        ("1,5,9-20", "1,5,9-20"),
        ("20,1,1,3,2", "1-3,20"),
        ("1-10x3,2", "1-2,4-10x3"),
        ("-10--1x3", "-10--1x3"),
        ("5-5", "5"),
        ("1-4x3", "1,4"),
        ("3X", "bad"),
    ] {
        match text.parse::<FrameSet>() {
            Ok(set) => assert_eq!(set.to_string(), expected, "{text}"),
            Err(_) => assert_eq!(expected, "bad", "{text}"),
        }
    }
}

#[test]
fn the_longest_text_of_a_set_that_is_taken_reads_back() {
    let set: FrameSet = "-1048574--648734x2,-1048573--648734x160".parse().unwrap();
    assert!(set.to_string().len() > 80_000, "{}", set.to_string().len());
    assert_eq!(set.to_string().parse::<FrameSet>(), Ok(set));
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let error = |text: &str| text.parse::<FrameSet>().unwrap_err().to_string();
    assert_eq!(error(""), "no frame is named; write for example 1-240, 1-240x2 or 1,5,9-20");
    assert_eq!(error("1,,2"), error(""));
    assert_eq!(
        error("one"),
        "\"one\" is neither a frame nor a range; write for example 12, 1-240 or 1-240x2"
    );
    assert_eq!(error("9-1"), "the range 9-1 runs backwards; write 1-9");
    assert_eq!(error("1-9x0"), "the step of \"1-9x0\" is 0; the smallest step is 1");
    assert_eq!(
        error("99999999999999999999"),
        format!("frame {} is out of Blender's range of -1048574 to 1048574", i64::MAX)
    );
    assert_eq!(error("1-1000000"), "more than 250000 frames are named; submit them as several jobs");
    let scattered: Vec<_> = (0..20_000).map(|i| i * i / 500).collect();
    assert_eq!(FrameSet::from_frames(scattered), Err(FrameError::TooScattered));
    for bad in ["-", "--", "1-", "-1-", "1-2-3", "1x2", "1-5x-1", "1.5", "1-5x2x3", "x", "é", "1;2"] {
        assert!(bad.parse::<FrameSet>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn text_reads_back_as_the_same_frames(set in prop::collection::btree_set(-300i32..300, 1..200)) {
        let frames = FrameSet::from_frames(set.iter().copied()).unwrap();
        prop_assert_eq!(frames.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(&frames.to_string().parse::<FrameSet>().unwrap(), &frames);
        prop_assert_eq!((frames.first(), frames.last()), (*set.first().unwrap(), *set.last().unwrap()));
        for frame in -310..310 {
            prop_assert_eq!(frames.contains(frame), set.contains(&frame), "{} of {}", frame, frames);
        }
    }

    /// Overlapping steps make a canonical text far longer than what was written.
    #[test]
    fn whatever_is_taken_reads_back(
        pieces in prop::collection::vec((0i32..400, 1i32..200_000, 1i32..200), 1..4),
    ) {
        let piece = |(offset, length, step): &(i32, i32, i32)| {
            let first = offset - FRAME_NUMBER_MAX;
            format!("{first}-{}x{step}", first + length)
        };
        let text = pieces.iter().map(piece).collect::<Vec<_>>().join(",");
        if let Ok(set) = text.parse::<FrameSet>() {
            prop_assert_eq!(set.to_string().parse::<FrameSet>(), Ok(set));
        }
    }

    #[test]
    fn slices_cover_each_frame_exactly_once(
        set in prop::collection::btree_set(-300i32..300, 1..200),
        sizes in prop::collection::vec(1u32..40, 1..30),
    ) {
        let frames = FrameSet::from_frames(set.iter().copied()).unwrap();
        let (mut seen, mut planned, mut sizes) = (BTreeSet::new(), 0, sizes.into_iter().cycle());
        while planned < frames.len() {
            let slice = frames.slice(planned, sizes.next().unwrap()).unwrap();
            prop_assert_eq!(&slice.to_string().parse::<FrameSet>().unwrap(), &slice);
            for frame in slice.iter() {
                prop_assert!(seen.insert(frame), "{} twice", frame);
            }
            planned += slice.len();
        }
        prop_assert_eq!(seen, set);
        prop_assert!(frames.slice(planned, 1).is_none());
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[-0-9x, ]{0,30}") {
        if let Ok(set) = text.parse::<FrameSet>() {
            prop_assert_eq!(canonical(&set.to_string()), set.to_string());
            prop_assert!(set.last() <= FRAME_NUMBER_MAX && set.first() >= -FRAME_NUMBER_MAX);
        }
    }
}

fn file() -> FileFacts {
    FileFacts {
        file_name: "dir/lamp.v2.blend".to_owned(),
        frames: Some((1, 24, 1)),
        engine: Some(RenderEngine::Eevee),
        scenes: None,
        cameras: None,
    }
}

#[test]
fn what_is_left_open_comes_from_the_file() {
    let plan = JobPlan::check(&JobRequest::default(), &file()).unwrap();
    assert_eq!(
        (plan.name.as_str(), plan.frames.to_string().as_str(), plan.priority),
        ("lamp.v2", "1-24", 50)
    );
    assert_eq!(
        (plan.render.format, plan.render.engine, plan.needs),
        (OutputFormat::Png, None, Some(RenderEngine::Eevee))
    );
    assert_eq!((plan.chunk, plan.frame_time_limit), (None, Millis::from_secs(4 * 3600)));
}

#[test]
fn everything_that_is_wrong_is_said_at_once_by_field() {
    let request = JobRequest {
        name: Some("a\nb".to_owned()),
        frames: Some("9-1".to_owned()),
        format: Some("GIF".to_owned()),
        engine: Some("luxcore".to_owned()),
        width: Some(1920),
        samples: Some(0),
        priority: Some(101),
        chunk: Some(0),
        frame_time_limit_ms: Some(5),
        ..JobRequest::default()
    };
    let wrong = JobPlan::check(&request, &file()).unwrap_err();
    let fields: Vec<_> = wrong.iter().map(|error| error.field).collect();
    assert_eq!(
        fields,
        [
            "name",
            "frames",
            "format",
            "engine",
            "height",
            "samples",
            "priority",
            "chunk",
            "frame_time_limit_ms"
        ]
    );
    assert_eq!(
        wrong[2].to_string(),
        "format: \"GIF\" is no format; give PNG, JPEG, OPEN_EXR or OPEN_EXR_MULTILAYER"
    );
    assert_eq!(wrong[5].to_string(), "samples: 0 is out of range; give 1 to 16777216");
}

#[test]
fn a_file_that_says_nothing_needs_frames_and_a_blank_field_counts_as_left_open() {
    let unknown = FileFacts { frames: None, engine: None, ..file() };
    let request =
        JobRequest { name: Some("  ".to_owned()), scene: Some(String::new()), ..JobRequest::default() };
    let message = "the file does not say which frames it has; give them, for example 1-240".to_owned();
    assert_eq!(JobPlan::check(&request, &unknown), Err(vec![FieldError { field: "frames", message }]));
    let given = JobRequest { frames: Some("7".to_owned()), width: Some(640), height: Some(480), ..request };
    let plan = JobPlan::check(&given, &unknown).unwrap();
    assert_eq!((plan.render.resolution, plan.render.scene, plan.needs), (Some((640, 480)), None, None));
}

#[test]
fn a_scene_or_camera_that_the_file_lacks_is_refused_where_all_are_known() {
    let names = |count: usize| Some((1..=count).map(|number| format!("C{number}")).collect::<Vec<_>>());
    let asked = |scene: &str, camera: &str, file: &FileFacts| {
        let (scene, camera) = (Some(scene.to_owned()), Some(camera.to_owned()));
        let request = JobRequest { scene, camera, ..JobRequest::default() };
        let checked = JobPlan::check(&request, file);
        checked.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let known = FileFacts { scenes: names(2), cameras: names(22), ..file() };
    assert_eq!(asked("C1", "C22", &known), [""; 0]);
    assert_eq!(asked("", " ", &known), [""; 0]);
    let wrong = asked("c1", "Nope", &known);
    assert_eq!(wrong[0], "scene: there is no scene \"c1\" in the file; it has: C1, C2");
    assert!(wrong[1].starts_with("camera: there is no camera \"Nope\" in the file; it has: C1, C2,"));
    assert!(wrong[1].ends_with(", C20 and 2 more"), "{}", wrong[1]);
    let bare = FileFacts { cameras: names(0), ..file() };
    assert_eq!(
        asked("Any", "Nope", &bare),
        ["camera: there is no camera \"Nope\": the file has none; add one and submit it again"]
    );
    assert_eq!(asked("Any", "Nope", &file()), [""; 0], "what could not be read may be there");
}
