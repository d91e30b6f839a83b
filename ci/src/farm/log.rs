//! Reading the worker's log: when each frame of a job began and ended.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Farm;

impl Farm {
    /// Begin and end of each frame of a job, in the order of their begin, milliseconds since 1970. Taken from
    /// the worker's log (JSON lines), because only the worker knows it to the millisecond.
    pub fn frame_spans(&self, job: &str) -> Result<Vec<(f64, f64)>> {
        let mut spans: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for (frame, what, at) in self.frame_events(job)? {
            let span = spans.entry(frame).or_insert((f64::NAN, f64::NAN));
            match what.as_str() {
                "frame started" => span.0 = unix_ms(&at)?,
                "frame rendered" => span.1 = unix_ms(&at)?,
                _ => {}
            }
        }
        let is_whole = |(began, ended): &(f64, f64)| !began.is_nan() && !ended.is_nan();
        let mut spans: Vec<_> = spans.into_values().filter(is_whole).collect();
        spans.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(spans)
    }

    /// How often each frame of a job was rendered to its end, over all workers of this farm.
    pub fn frame_counts(&self, job: &str) -> Result<BTreeMap<i64, u32>> {
        let mut counts = BTreeMap::new();
        for (frame, what, _) in self.frame_events(job)? {
            if what == "frame rendered" {
                *counts.entry(frame).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }

    /// Frame, what happened and when, as the workers' logs have it.
    fn frame_events(&self, job: &str) -> Result<Vec<(i64, String, String)>> {
        let mut events = Vec::new();
        for worker in self.worker_folders()? {
            let mut verb = self.programs.command("pictor-worker");
            let output = verb.args(["logs", "--json", "--lines", "all", "--data"]).arg(worker).output()?;
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
                let fields = &entry["fields"];
                let (Some(frame), Some(at)) = (fields["frame"].as_i64(), entry["timestamp"].as_str()) else {
                    continue;
                };
                if fields["job.id"] == job {
                    events.push((
                        frame,
                        fields["message"].as_str().unwrap_or_default().to_owned(),
                        at.to_owned(),
                    ));
                }
            }
        }
        Ok(events)
    }
}

/// Milliseconds since 1970 of an RFC 3339 text in UTC.
pub fn unix_ms(text: &str) -> Result<f64> {
    let stamp: jiff::Timestamp = text.parse().with_context(|| format!("{text} is not a time"))?;
    Ok(stamp.as_microsecond() as f64 / 1000.0)
}
