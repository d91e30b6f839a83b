//! Messages to and from text frames, within the size limit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::WIRE_FRAME_BYTES_MAX;

/// A frame that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Above [`WIRE_FRAME_BYTES_MAX`]; refused without decoding.
    #[error("message of {0} bytes is above the limit of {WIRE_FRAME_BYTES_MAX}")]
    TooLarge(usize),
    /// JSON of a message type that this version does not know: skip it.
    #[error("unknown message type {0:?}")]
    UnknownType(String),
    /// Not a message at all.
    #[error("not a message")]
    Malformed(#[source] serde_json::Error),
}

/// The text frame of a message.
pub fn encode<M: Serialize>(message: &M) -> Result<String, CodecError> {
    let text = serde_json::to_string(message).map_err(CodecError::Malformed)?;
    if text.len() > WIRE_FRAME_BYTES_MAX {
        return Err(CodecError::TooLarge(text.len()));
    }
    Ok(text)
}

/// The message of a text frame. The size is checked first; an unknown `type` is told apart from garbage
/// because a newer peer may send one in good faith.
pub fn decode<M: DeserializeOwned>(text: &str) -> Result<M, CodecError> {
    if text.len() > WIRE_FRAME_BYTES_MAX {
        return Err(CodecError::TooLarge(text.len()));
    }
    serde_json::from_str(text).map_err(|error| classify(text, error))
}

fn classify(text: &str, error: serde_json::Error) -> CodecError {
    #[derive(serde::Deserialize)]
    struct Tag {
        r#type: String,
    }
    let is_unknown = error.is_data() && error.to_string().starts_with("unknown variant");
    match serde_json::from_str::<Tag>(text) {
        Ok(tag) if is_unknown && error.to_string().contains(&format!("`{}`", tag.r#type)) => {
            CodecError::UnknownType(tag.r#type)
        }
        _ => CodecError::Malformed(error),
    }
}
