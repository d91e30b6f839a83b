//! Frames of a job: listed for people ([`list_frames`]), delivered by workers ([`put_frame`], or by way of
//! the storage: [`place_frame`], [`commit_frame`]). Their bytes go out in `downloads`.

mod direct;
mod listing;
mod put;
mod wanted;

pub use direct::{__path_commit_frame, __path_place_frame, commit_frame, place_frame};
pub use listing::{__path_list_frames, failed_frames_page, frames_page, list_frames};
pub use put::{__path_put_frame, put_frame};
