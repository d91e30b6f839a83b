//! Calls take as long as their line needs: only one that stands still is given up.
//!
//! The HTTP library's own limit on silence also runs while a body goes up, so it would end every upload that
//! takes longer than it, however well that moves. Here the clock starts anew with each piece that leaves or
//! comes.

use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use pictor_actors::units::Millis;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{CallError, away};

/// How long a call may stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between two pieces of a body, or until an answer begins.
    pub silence: Millis,
    /// From the last piece of an upload to its answer. Longer: what left here last lies in the system's
    /// buffers, some megabytes of it, and a slow line needs its time for them.
    pub answer: Millis,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Millis::from_secs(60), answer: Millis::from_secs(300) }
    }
}

impl Patience {
    /// Waits for what the cloud says next.
    pub(super) async fn heard<T>(
        self,
        next: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, CallError> {
        match timeout(self.silence.to_duration(), next).await {
            Ok(said) => said.map_err(|error| away(&error)),
            Err(_) => Err(stuck("it says nothing more")),
        }
    }
}

/// The same pieces, and how many bytes of them have left so far.
pub(super) fn watched<E>(
    pieces: impl Stream<Item = Result<Bytes, E>>,
) -> (impl Stream<Item = Result<Bytes, E>>, watch::Receiver<u64>) {
    let (left, moves) = watch::channel(0);
    let pieces = pieces.inspect(move |piece| {
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        left.send_modify(|left| *left += length);
    });
    (pieces, moves)
}

/// Waits for `call`, whose body of `size` bytes tells its progress by `moves`, as long as it moves.
pub(super) async fn while_moving<T>(
    call: impl Future<Output = Result<T, CallError>>,
    mut moves: watch::Receiver<u64>,
    size: u64,
    patience: Patience,
) -> Result<T, CallError> {
    let mut call = pin!(call);
    while *moves.borrow() < size {
        tokio::select! {
            done = &mut call => return done,
            moved = timeout(patience.silence.to_duration(), moves.changed()) => match moved {
                Ok(Ok(())) => {}
                Ok(Err(_)) => break, // nobody will ask for the rest: the answer is on its way
                Err(_) => return Err(stuck("the upload stands still")),
            },
        }
    }
    let answer = timeout(patience.answer.to_duration(), call).await;
    answer.unwrap_or_else(|_| Err(stuck("the upload is not answered")))
}

fn stuck(why: &str) -> CallError {
    CallError::Away { why: why.to_owned(), retry_after: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pictor_actors::ids::LeaseId;
    use pictor_actors::units::BlobHash;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::cloud::{Cloud, FrameBytes, FrameUpload};

    /// Larger than what the system's buffers take in without a reader.
    const SIZE: usize = 24 * 1024 * 1024;
    const SILENCE: Millis = Millis(600);

    fn listener() -> (TcpListener, url::Url) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        (listener, url)
    }

    /// Reads at most so many bytes, a piece each 50 ms, then says `answer` and keeps the line open.
    async fn serve(listener: TcpListener, bytes_max: usize, answer: &str) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut piece, mut read) = (vec![0; 1024 * 1024], 0);
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        while read < bytes_max {
            pace.tick().await;
            read += stream.read_exact(&mut piece).await.unwrap();
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending().await
    }

    async fn put(url: url::Url) -> Result<(), CallError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame");
        std::fs::write(&path, vec![7; SIZE]).unwrap();
        let cloud = Cloud::new(url).with_patience(Patience { silence: SILENCE, answer: SILENCE });
        cloud.set_bearer(Some("wkb_test"));
        let upload = FrameUpload {
            lease: LeaseId::from_u128(1),
            fence: 1,
            frame: 1,
            hash: BlobHash::from_bytes([0; 32]),
            size: SIZE as u64,
            render_ms: 1,
            media_type: "image/png",
            bytes: FrameBytes::File(&path),
        };
        cloud.deliver(&upload).await.map(drop)
    }

    #[tokio::test]
    async fn a_download_that_stands_still_is_given_up() {
        let (listener, url) = listener();
        let cloud = Cloud::new(url).with_patience(Patience { silence: Millis(200), answer: SILENCE });
        cloud.set_bearer(Some("wkb_test"));
        let serving = async {
            for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
                let _ = stream.read_to_end(&mut request).await; // until the other side gives up
            }
        };
        let hash = BlobHash::from_bytes([0; 32]);
        let asking = async {
            assert!(cloud.blob(hash, 0).await.is_err(), "there is no answer");
            let mut body = cloud.blob(hash, 0).await.unwrap();
            assert_eq!(body.bytes.next().await.unwrap().unwrap(), "half");
            let stuck = body.bytes.next().await.unwrap().unwrap_err();
            assert!(stuck.to_string().contains("says nothing"), "{stuck}");
        };
        let both = async { tokio::join!(serving, asking) };
        timeout(Duration::from_secs(20), both).await.expect("a download has an end");
    }

    async fn outcome(bytes_max: usize, answer: &str) -> Result<(), CallError> {
        let (listener, url) = listener();
        let both = async {
            tokio::select! {
                done = put(url) => done,
                () = serve(listener, bytes_max, answer) => unreachable!("it serves for ever"),
            }
        };
        timeout(Duration::from_secs(20), both).await.expect("an upload has an end")
    }

    #[tokio::test]
    async fn a_slow_upload_goes_on_as_long_as_it_moves() {
        let answer = "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n";
        let told = outcome(SIZE, answer).await;
        assert!(matches!(&told, Err(CallError::Problem(problem)) if problem.status == 409), "{told:?}");
    }

    #[tokio::test]
    async fn an_upload_that_stands_still_or_is_not_answered_is_given_up() {
        for (bytes_max, words) in [(1024 * 1024, "stands still"), (SIZE, "not answered")] {
            let told = outcome(bytes_max, "").await;
            assert!(matches!(&told, Err(CallError::Away { why, .. }) if why.contains(words)), "{told:?}");
        }
    }
}
