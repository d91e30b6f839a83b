//! Frames of a job: listed for people ([`list_frames`]), delivered by workers ([`put_frame`]). Their bytes go
//! out in `downloads`.

mod listing;
mod put;

pub use listing::{__path_list_frames, failed_frames_page, frames_page, list_frames};
pub use put::{__path_put_frame, put_frame};
