//! Uploads in parts, by content hash.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /api/v1/uploads`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewUpload {
    /// File name with its ending (`.blend` or `.zip`).
    pub file_name: String,
    /// Bytes of the whole.
    pub size: u64,
    /// BLAKE3 of the whole, where the client knows it: a file this account uploaded before is then complete
    /// at once.
    #[serde(default)]
    pub blake3: Option<String>,
}

/// State of an upload: answer to `POST /api/v1/uploads`, `GET /api/v1/uploads/{id}`, `PUT
/// /api/v1/uploads/{id}/parts/{n}` (body: the part's bytes; parts count from 0, every part but the last has
/// `part_size` bytes; sending a part again replaces it) and `POST /api/v1/uploads/{id}/complete`, which
/// answers 202 with `blake3: null` while a large upload is still being read: ask again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upload {
    /// The upload.
    pub id: String,
    /// File name.
    pub file_name: String,
    /// Bytes of the whole.
    pub size: u64,
    /// Bytes a part.
    pub part_size: u64,
    /// How many parts.
    pub part_count: u32,
    /// Numbers of the parts that are stored, ascending.
    pub parts_stored: Vec<u32>,
    /// Once complete: BLAKE3 of the whole, to name in a new job.
    pub blake3: Option<String>,
    /// Once complete: what is inside.
    pub content: Option<UploadContent>,
    /// Removed then if it is not complete, or if no job uses it; RFC 3339. Using it puts that off.
    pub expires_at: String,
    /// Parts may be put straight into the storage: `POST /api/v1/uploads/{id}/places` gives addresses, `POST
    /// /api/v1/uploads/{id}/parts` says which were put.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub puts_directly: bool,
}

/// Parts named at a time.
pub const PARTS_AT_A_TIME_MAX: usize = 64;

/// `POST /api/v1/uploads/{id}/places` and `POST /api/v1/uploads/{id}/parts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parts {
    /// Their numbers, 1 to 64 of them.
    pub parts: Vec<u32>,
}

/// Where parts go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartPlaces {
    /// One for each part; none: the parts go through the cloud, `PUT /api/v1/uploads/{id}/parts/{n}`.
    pub places: Vec<PartPlace>,
    /// A `PUT` that begins later than this is refused by the storage: ask again.
    pub good_for_ms: Option<u64>,
}

/// Where one part goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartPlace {
    /// Its number.
    pub part: u32,
    /// Takes its bytes by `PUT`, without the token. With its signature: a secret.
    pub url: String,
    /// Headers to send along, besides `Content-Length`.
    pub headers: std::collections::BTreeMap<String, String>,
}

impl std::fmt::Debug for PartPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartPlace").field("part", &self.part).finish_non_exhaustive()
    }
}

/// What an upload holds, read on the cloud without running anything of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema, Eq)]
pub struct UploadContent {
    /// Paths of the `.blend` files inside (one for a bare `.blend`).
    pub blend_files: Vec<String>,
    /// Count of all files.
    pub file_count: u32,
    /// What the scene says, per `.blend` file, where it could be read.
    pub scenes: Vec<BlendScene>,
    /// What looked wrong and need not stop a job (a linked file that is not in the zip).
    pub warnings: Vec<String>,
    /// BLAKE3 of the list of its files with their hashes, as JSON: `GET /api/v1/blobs/{hash}`.
    #[serde(default)]
    pub files_blake3: Option<String>,
}

/// One scene of one `.blend` file, as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlendScene {
    /// Path of its file.
    pub file: String,
    /// Name.
    pub name: String,
    /// It is the one that was active when the file was saved.
    pub is_active: bool,
    /// Cameras by name; the active one first.
    pub cameras: Vec<String>,
    /// Every scene and camera that its file has is listed, here or with another scene of that file; `false`:
    /// there may be more.
    #[serde(default)]
    pub is_list_whole: bool,
    /// First frame.
    pub frame_start: Option<i32>,
    /// Last frame.
    pub frame_end: Option<i32>,
    /// Frame step.
    pub frame_step: Option<i32>,
    /// Frames a second.
    pub fps: Option<u32>,
    /// Engine (`cycles`, `eevee`, `workbench`).
    pub engine: Option<String>,
    /// Pixels wide, at 100 %.
    pub width: Option<u32>,
    /// Pixels high, at 100 %.
    pub height: Option<u32>,
    /// Scale of the resolution, percent.
    pub resolution_percent: Option<u32>,
    /// Cycles samples.
    pub samples: Option<u32>,
    /// Blender version the file was saved with.
    pub saved_with: Option<String>,
}
