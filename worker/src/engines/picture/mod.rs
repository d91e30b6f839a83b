//! Whether a file is a whole picture of the wanted format. Cheap: its beginning and its end, not its pixels.

mod open_exr;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use pictor_actors::protocol::assignment::OutputFormat;

/// What is wrong with a frame's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureFault {
    /// There is none.
    #[error("there is no file")]
    Missing,
    /// It holds nothing.
    #[error("the file is empty")]
    Empty,
    /// It begins otherwise than the format does.
    #[error("the file is no {0}")]
    NotThatFormat(&'static str),
    /// It begins well and ends too early, as on a full disk.
    #[error("the file is cut off")]
    CutOff,
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

const PNG_BEGINS: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_ENDS: &[u8] = b"IEND\xaeB`\x82";
const JPEG_BEGINS: &[u8] = b"\xff\xd8\xff";
const JPEG_ENDS: &[u8] = b"\xff\xd9";
const EXR_BEGINS: &[u8] = b"\x76\x2f\x31\x01";

/// Looks at the file; answers its size. Reads a few bytes from disk and therefore blocks shortly.
///
/// # Errors
/// The file is not there, empty, another format, cut off or unreadable.
pub fn check_picture(path: &Path, format: OutputFormat) -> Result<u64, PictureFault> {
    let mut file = File::open(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        if missing { PictureFault::Missing } else { PictureFault::Unreadable(error.to_string()) }
    })?;
    let unreadable = |error: std::io::Error| PictureFault::Unreadable(error.to_string());
    let size = file.metadata().map_err(unreadable)?.len();
    if size == 0 {
        return Err(PictureFault::Empty);
    }
    let (name, begins, ends): (_, _, &[u8]) = match format {
        OutputFormat::Png => ("PNG", PNG_BEGINS, PNG_ENDS),
        OutputFormat::Jpeg => ("JPEG", JPEG_BEGINS, JPEG_ENDS),
        OutputFormat::OpenExr | OutputFormat::OpenExrMultilayer => ("OpenEXR", EXR_BEGINS, &[]),
    };
    let mut head = Vec::with_capacity(begins.len());
    (&mut file).take(begins.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
    if head != begins {
        return Err(PictureFault::NotThatFormat(name));
    }
    let is_whole = match format {
        OutputFormat::Png | OutputFormat::Jpeg => ends_with(&mut file, size, ends),
        OutputFormat::OpenExr | OutputFormat::OpenExrMultilayer => {
            open_exr::is_whole(&mut BufReader::new(file), size)
        }
    };
    match is_whole {
        Ok(true) => Ok(size),
        Ok(false) => Err(PictureFault::CutOff),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(PictureFault::CutOff),
        Err(error) => Err(unreadable(error)),
    }
}

fn ends_with(file: &mut File, size: u64, ends: &[u8]) -> std::io::Result<bool> {
    let Some(from) = size.checked_sub(ends.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::with_capacity(ends.len());
    file.take(ends.len() as u64).read_to_end(&mut tail)?;
    Ok(tail == ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pictures_pass_and_all_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let check = |bytes: &[u8], format| {
            std::fs::write(&path, bytes).unwrap();
            check_picture(&path, format)
        };
        let png = [PNG_BEGINS, b"....", PNG_ENDS].concat();
        assert_eq!(check(&png, OutputFormat::Png), Ok(png.len() as u64));
        assert_eq!(check(&png[..png.len() - 1], OutputFormat::Png), Err(PictureFault::CutOff));
        assert_eq!(check(&png, OutputFormat::Jpeg), Err(PictureFault::NotThatFormat("JPEG")));
        assert_eq!(check(b"", OutputFormat::Png), Err(PictureFault::Empty));
        assert_eq!(check(b"\x89P", OutputFormat::Png), Err(PictureFault::NotThatFormat("PNG")));
        let jpeg = [JPEG_BEGINS, b"....", JPEG_ENDS].concat();
        assert!(check(&jpeg, OutputFormat::Jpeg).is_ok());
        assert_eq!(check(EXR_BEGINS, OutputFormat::OpenExr), Err(PictureFault::CutOff));
        assert_eq!(
            check(&[EXR_BEGINS, &[2; 300]].concat(), OutputFormat::OpenExrMultilayer),
            Err(PictureFault::CutOff)
        );
        assert_eq!(check_picture(&dir.path().join("none"), OutputFormat::Png), Err(PictureFault::Missing));
    }
}
