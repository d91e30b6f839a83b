//! Whole outputs of Debian's Blender 3.4.1 and of bpy 5.0.1, read line by line. They were recorded on a
//! processor without a GPU; paths were shortened, empty lines and, where they tell nothing, statistics were
//! left out. `handler: ` stands before what the `render_stats` handler was given.

use std::collections::BTreeMap;

use pictor_actors::protocol::FailureClass;

use super::*;

const OUTPUTS: [(&str, &str); 2] = [
    ("3.4.1", include_str!("recorded/blender-3.4.1.txt")),
    ("5.0.1", include_str!("recorded/bpy-5.0.1.txt")),
];

/// Lines by what was tried.
fn tried(output: &'static str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut tried = BTreeMap::new();
    let mut lines: &mut Vec<_> = tried.entry("").or_default();
    for line in output.lines() {
        match line.strip_prefix("== ") {
            Some(what) => lines = tried.entry(what).or_default(),
            None => lines.push(line),
        }
    }
    tried
}

/// The statistics of a line, whichever way they came.
fn stats(line: &str) -> Option<Stats> {
    match (line.strip_prefix("handler: "), read_line(line)) {
        (Some(text), _) => Some(read_stats(text)),
        (None, Line::Stats(stats)) => Some(stats),
        (None, Line::Saved { .. } | Line::Symptom(_) | Line::Other | Line::Empty) => None,
    }
}

#[test]
fn every_failure_is_named() {
    let failures = [
        ("no camera", FailureClass::NoCamera),
        ("a driver that needs Python", FailureClass::NeedsScripts),
        ("a registered text block", FailureClass::NeedsScripts),
        ("a folder in the way", FailureClass::NoOutputWritten),
        ("a full disk", FailureClass::DiskFull),
        ("no memory", FailureClass::OutOfMemory),
    ];
    for (version, output) in OUTPUTS {
        let tried = tried(output);
        for (what, wanted) in failures {
            let mut named = tried[what].iter().filter_map(|line| match read_line(line) {
                Line::Symptom(symptom) => Some(symptom.class),
                Line::Stats(_) | Line::Saved { .. } | Line::Other | Line::Empty => None,
            });
            // 5.0.1 prints nothing about a text block: there only the driver sees it.
            let silent = version == "5.0.1" && what == "a registered text block";
            assert_eq!(named.next(), (!silent).then_some(wanted), "{version}, {what}");
            assert!(named.all(|class| class == wanted), "{version}, {what}");
        }
    }
}

#[test]
fn a_frame_that_went_well_shows_no_symptom_and_is_saved() {
    for (version, output) in OUTPUTS {
        let tried = tried(output);
        for (what, path) in
            [("a frame of six tiles", "/out/tiles.png"), ("two view layers", "/out/layers.png")]
        {
            let read: Vec<_> = tried[what].iter().map(|line| read_line(line)).collect();
            assert!(!read.iter().any(|line| matches!(line, Line::Symptom(_))), "{version}, {what}");
            assert!(read.contains(&Line::Saved { path: path.to_owned() }), "{version}, {what}: {read:#?}");
        }
    }
}

#[test]
fn tiles_count_once() {
    for (version, output) in OUTPUTS {
        let (mut tracker, mut seen) = (Tracker::new(1), 0);
        for (line, stats) in
            tried(output)["a frame of six tiles"].iter().filter_map(|line| Some((line, stats(line)?)))
        {
            let done = tracker.observe(&stats);
            let (Some((tile, 6)), Some((sample, 16))) = (stats.tiles, stats.samples) else { continue };
            seen += 1;
            // Never ahead of what is rendered: a tile that has just ended is not half done again.
            let (tile, sample) = (tile as f32, sample as f32 / 16.0);
            // After the last tile Blender says "Sample 0" once more.
            let is_over = sample >= 1.0 || (tile, sample) == (5.0, 0.0);
            let most = if is_over { tile + 1.0 } else { tile + sample };
            let done = done.unwrap() * 6.0;
            assert!(done >= tile - 0.001 && done <= most + 0.001, "{version}: {done} after {line}");
            if stats.samples == Some((1, 16)) {
                assert!((done - most).abs() < 0.001, "{version}: {done} after {line}");
            }
        }
        assert!(seen > 15, "{version}: {seen} lines with numbers");
        assert_eq!(tracker.observe(&Stats::default()), Some(1.0), "{version}");
    }
}

#[test]
fn two_layers_are_half_done_after_the_first() {
    for (version, output) in OUTPUTS {
        let mut tracker = Tracker::new(2);
        let done: Vec<_> = tried(output)["two view layers"]
            .iter()
            .filter_map(|line| stats(line))
            .filter(|stats| stats.samples.is_some())
            .map(|stats| tracker.observe(&stats).unwrap())
            .collect();
        assert_eq!(done, [0.0, 0.25, 0.5, 0.5, 0.75, 1.0], "{version}");
    }
}

#[test]
fn layers_of_tiles_are_told_apart() {
    for (version, output) in OUTPUTS {
        let frame = &tried(output)["a frame of six tiles"];
        let mut tracker = Tracker::new(2);
        for (layer, half) in [(1, 0.5), (2, 1.0)] {
            let done = frame.iter().filter_map(|line| tracker.observe(&stats(line)?)).last();
            assert_eq!(done, Some(half), "{version}: after layer {layer}");
        }
    }
}

#[test]
fn memory_and_time_are_read() {
    let mut peak = None;
    for line in &tried(OUTPUTS[0].1)["a frame of six tiles"] {
        peak = peak.max(stats(line).and_then(|stats| stats.peak_bytes));
    }
    // "Peak:3.11M" of Cycles; "Peak 16.97M" is Blender's own, where Cycles says nothing.
    assert_eq!(peak.map(|bytes| bytes / 1024), Some(3184));
    for (version, output) in OUTPUTS {
        let tiles = &tried(output)["a frame of six tiles"];
        let remaining = tiles.iter().filter_map(|line| stats(line)?.remaining);
        assert!(remaining.clone().count() > 10, "{version}");
        assert!(remaining.clone().all(|left| left.0 < 10_000), "{version}");
    }
}
