//! Every bound that both ends must agree on, each with its reason. A bound that only one side needs stands
//! beside the code that keeps it.

use crate::units::Millis;

/// A socket frame above this is refused before it is decoded: it bounds the memory one connection can claim.
pub const WIRE_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Slots of one machine: a hall machine has up to 16 GPUs; twice that leaves room.
pub const SLOTS_MAX: usize = 32;
/// Leases one slot holds at a time: the one that runs and the one whose inputs load meanwhile.
pub const LEASES_PER_SLOT_MAX: usize = 2;
/// Frames in one task: bounds an offer's size (7 digits and a comma each) well under the wire limit.
pub const FRAMES_PER_TASK_MAX: usize = 1_000;
/// Frames in one job: 1 h of film at 60 fps and some.
pub const FRAMES_PER_JOB_MAX: usize = 250_000;
/// Files of one job (a zip with linked textures).
pub const FILES_PER_JOB_MAX: usize = 10_000;
/// Log lines in one message and characters in one line; more are cut and counted.
pub const LOG_LINES_PER_MESSAGE_MAX: usize = 100;
/// Characters in one log line.
pub const LOG_LINE_CHARS_MAX: usize = 400;
/// Characters in a name that a person chose (worker, job, account).
pub const NAME_CHARS_MAX: usize = 120;
/// An offer that was neither accepted nor declined by then is taken back.
pub const OFFER_ANSWER_WITHIN: Millis = Millis::from_secs(15);
/// One frame's file: 16k × 16k pixels of half-float RGBA are 2 GiB.
pub const FRAME_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The whole of one upload (scene or zip).
pub const UPLOAD_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// One part of an upload: large enough for few requests, small enough to repeat over a bad line.
pub const UPLOAD_PART_BYTES: u64 = 16 * 1024 * 1024;
/// A one-time configuration file is good for this long.
pub const ENROLMENT_VALID_FOR: Millis = Millis::from_secs(24 * 3600);
