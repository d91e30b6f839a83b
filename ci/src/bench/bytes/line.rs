//! The least HTTP client that can send and take large bodies: it must not be what is measured.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Where to, and as whom.
pub struct Line {
    host: String,
    token: Option<String>,
}

/// One connection.
pub struct Open {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Line {
    pub fn to(url: &str, token: Option<&str>) -> Self {
        Self { host: url.trim_start_matches("http://").to_owned(), token: token.map(str::to_owned) }
    }

    pub fn open(&self) -> Result<Open> {
        let stream = TcpStream::connect(&self.host).with_context(|| format!("cannot reach {}", self.host))?;
        stream.set_nodelay(true)?;
        let bearer = self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!("host: {}\r\n{}", self.host, bearer.unwrap_or_default());
        Ok(Open { stream: BufReader::with_capacity(256 * 1024, stream), head })
    }
}

impl Open {
    /// Sends a piece of a file; any good answer will do.
    pub fn put(&mut self, path: &str, file: &Path, from: u64, length: u64) -> Result<()> {
        let head = &self.head;
        let kind = "content-type: application/octet-stream";
        write!(
            self.stream.get_mut(),
            "PUT {path} HTTP/1.1\r\n{head}{kind}\r\ncontent-length: {length}\r\n\r\n"
        )?;
        let mut bytes = File::open(file)?;
        bytes.seek(SeekFrom::Start(from))?;
        // The kernel carries them over by itself.
        std::io::copy(&mut bytes.take(length), self.stream.get_mut())?;
        self.body().map(drop)
    }

    /// Takes a body and counts its bytes.
    pub fn get(&mut self, path: &str) -> Result<u64> {
        write!(self.stream.get_mut(), "GET {path} HTTP/1.1\r\n{}\r\n", self.head)?;
        let length = self.answer()?;
        let mut left = length;
        while left > 0 {
            let seen = self.stream.fill_buf()?.len() as u64;
            if seen == 0 {
                bail!("the line broke with {left} bytes left");
            }
            let taken = seen.min(left);
            self.stream.consume(usize::try_from(taken)?);
            left -= taken;
        }
        Ok(length)
    }

    /// Sends and takes JSON.
    pub fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let (body, head) = (body.to_string(), &self.head);
        let length = body.len();
        let head = format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n");
        write!(self.stream.get_mut(), "POST {path} HTTP/1.1\r\n{head}\r\n{body}")?;
        serde_json::from_slice(&self.body()?).context("the answer is no JSON")
    }

    fn body(&mut self) -> Result<Vec<u8>> {
        let mut body = vec![0; usize::try_from(self.answer()?)?];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// The head of an answer: the length of its body.
    fn answer(&mut self) -> Result<u64> {
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status)?;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(said) = line.strip_prefix("content-length:") {
                length = said.trim().parse()?;
            }
        }
        if status.split_whitespace().nth(1).is_some_and(|code| code.starts_with('2')) {
            return Ok(length);
        }
        let mut words = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut words)?;
        bail!("{}: {}", status.trim(), String::from_utf8_lossy(&words))
    }
}
