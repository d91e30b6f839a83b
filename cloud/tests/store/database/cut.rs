//! A line to PostgreSQL that breaks at a commit: before the server hears of it, or before its answer comes
//! back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where the line breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Break {
    BeforeCommit = 1,
    AfterCommit = 2,
}

/// The line; clones of its store's connections all go through it.
pub struct Cut {
    pub url: String,
    armed: Arc<AtomicU8>,
    swallowed: Arc<AtomicU8>,
}

impl Cut {
    /// A line to the database at this address, which names an IP address and a port.
    pub async fn to(url: &str) -> Self {
        let (head, rest) = url.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let cut = Self {
            url: format!("{head}@{here}/{name}?sslmode=disable"),
            armed: Arc::default(),
            swallowed: Arc::default(),
        };
        let (armed, swallowed, server) =
            (Arc::clone(&cut.armed), Arc::clone(&cut.swallowed), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let is_cut = Arc::new(AtomicU8::new(0));
                let there = ask(from_client, to_server, Arc::clone(&armed), Arc::clone(&is_cut));
                tokio::spawn(there);
                tokio::spawn(answer(from_server, to_client, is_cut, Arc::clone(&swallowed)));
            }
        });
        cut
    }

    /// Breaks at the next commit.
    pub fn arm(&self, at: Break) {
        self.armed.store(at as u8, Ordering::SeqCst);
    }

    /// Whether it has broken since it was armed.
    pub fn has_broken(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }
}

/// From the store to the server, message by message.
async fn ask(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    armed: Arc<AtomicU8>,
    is_cut: Arc<AtomicU8>,
) -> std::io::Result<()> {
    // The first message has no type.
    let mut length = client.read_u32().await?;
    forward(&mut client, &mut server, &length.to_be_bytes(), length).await?;
    let mut commits = BTreeSet::new();
    loop {
        let kind = client.read_u8().await?;
        length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        let words: Vec<&[u8]> = body.split(|byte| *byte == 0).collect();
        if kind == b'P' && words.get(1) == Some(&&b"COMMIT"[..]) {
            commits.insert(words[0].to_vec());
        }
        if kind == b'B' && words.get(1).is_some_and(|name| commits.contains(*name)) {
            let at = armed.swap(0, Ordering::SeqCst);
            is_cut.store(at, Ordering::SeqCst);
            if at == Break::BeforeCommit as u8 {
                // Dropped, the server rolls back and ends, and so does the way back.
                return Ok(());
            }
        }
        server.write_all(&[&[kind][..], &length.to_be_bytes(), &body].concat()).await?;
    }
}

async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    head: &[u8],
    length: u32,
) -> std::io::Result<()> {
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    to.write_all(head).await?;
    to.write_all(&body).await
}

/// From the server to the store; once cut, the server's word is waited for and kept back.
async fn answer(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    is_cut: Arc<AtomicU8>,
    swallowed: Arc<AtomicU8>,
) -> std::io::Result<()> {
    let (mut bytes, mut kept_back) = (vec![0; 16 * 1024], Vec::new());
    loop {
        let count = server.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        if is_cut.load(Ordering::SeqCst) != Break::AfterCommit as u8 {
            client.write_all(&bytes[..count]).await?;
            continue;
        }
        kept_back.extend_from_slice(&bytes[..count]);
        if kept_back.windows(7).any(|word| word == b"COMMIT\0") {
            swallowed.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
    }
}
