//! HTTP to the cloud's API.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use pictor_cloud_api::page::Page;
use pictor_cloud_api::problem::{Problem, ProblemCode};
use reqwest::header::{CONTENT_LENGTH, LOCATION, RANGE};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::{Failure, Kind};
use crate::settings;

/// Silence after which a request is given up; moving bytes reset it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// From the last piece of an upload to its answer. Longer: what left here last lies in the system's buffers,
/// some megabytes of it, and a slow line needs its time for them.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// Piece of an upload: each one that leaves shows that the line moves.
const PIECE_BYTES: usize = 64 * 1024;
/// Tries of a request that may be repeated.
const TRIES_MAX: u32 = 5;
/// Where a token may stand instead of in the kept settings.
const TOKEN_VARIABLE: &str = "PICTOR_TOKEN";
/// Entries asked for at a time.
const PAGE: u32 = 200;
/// Pages read at most: more than the largest job has frames.
const PAGES_MAX: u32 = 2_000;

/// A connection to one cloud as one account.
pub struct Client {
    http: reqwest::Client,
    /// Without a limit on silence: the library's own also runs while a body goes up, and would end every
    /// upload that takes longer, however well it moves.
    uploads: reqwest::Client,
    /// Follows nobody by itself: the storage that a download leads to must not get our token.
    downloads: reqwest::Client,
    base: String,
    token: Token,
    silence: Duration,
}

/// An API token and where it came from, in words.
#[derive(Clone)]
pub struct Token {
    secret: String,
    origin: String,
}

impl Token {
    /// One that was typed or piped in just now.
    pub fn typed(secret: String) -> Self {
        Self { secret, origin: "this token".to_owned() }
    }

    /// One that came with the call: by `--token`, or by the environment.
    pub fn given(secret: &str) -> Self {
        let is_environment = std::env::var(TOKEN_VARIABLE).is_ok_and(|value| value == secret);
        let origin = if is_environment {
            format!("the token in {TOKEN_VARIABLE} (which goes before the kept one)")
        } else {
            "the token of --token".to_owned()
        };
        Self { secret: secret.to_owned(), origin }
    }

    /// The one that `pictor login` kept.
    fn kept(secret: String) -> Result<Self, Failure> {
        Ok(Self { secret, origin: format!("the token kept in {}", settings::path()?.display()) })
    }

    /// To be kept.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl Client {
    /// The cloud and token from the command line, the environment or the kept settings.
    pub fn from_settings(url: Option<&str>, token: Option<&str>) -> Result<Self, Failure> {
        let kept =
            if url.is_some() && token.is_some() { settings::Settings::default() } else { settings::load()? };
        let url = url.map(str::to_owned).or(kept.url).ok_or_else(|| {
            Failure::new(Kind::Usage, "which cloud? set PICTOR_URL or run `pictor login --url http://…`")
        })?;
        let token = match (token, kept.token) {
            (Some(token), _) => Token::given(token),
            (None, Some(token)) => Token::kept(token)?,
            (None, None) => {
                return Err(Failure::new(Kind::Auth, "no token: set PICTOR_TOKEN or run `pictor login`"));
            }
        };
        Self::new(&url, token)
    }

    /// A client for this cloud with this token.
    pub fn new(url: &str, token: Token) -> Result<Self, Failure> {
        Self::with_silence(url, token, SILENCE_MAX)
    }

    fn with_silence(url: &str, token: Token, silence: Duration) -> Result<Self, Failure> {
        let parsed: url::Url = url
            .parse()
            .map_err(|error| Failure::new(Kind::Usage, format!("{url} is not an address: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Failure::new(Kind::Usage, format!("{url} must begin with http:// or https://")));
        }
        // Already installed is fine: it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = built(|builder| builder.read_timeout(silence))?;
        let uploads = built(|builder| builder)?;
        let downloads =
            built(|builder| builder.read_timeout(silence).redirect(reqwest::redirect::Policy::none()))?;
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { http, uploads, downloads, base, token, silence })
    }

    /// Address of a page of the dashboard.
    pub fn page_address(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// A request below `/api/v1/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1/{path}", self.base)).bearer_auth(&self.token.secret)
    }

    /// Reads one resource.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.send_again(|| self.request(Method::GET, path)).await?).await
    }

    /// Sends a command or makes something; an idempotency key makes the repetition after a lost answer
    /// harmless.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        let key = pictor_actors::ids::TokenId::generate().to_string();
        let request = || self.request(Method::POST, path).header("Idempotency-Key", &key).json(body);
        read(self.send_again(request).await?).await
    }

    /// Changes a resource.
    pub async fn patch<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Failure> {
        read(self.send_again(|| self.request(Method::PATCH, path).json(body)).await?).await
    }

    /// Entries of a list, up to `limit`, over as many pages as it takes.
    pub async fn list<T: DeserializeOwned>(&self, path: &str, limit: Option<u32>) -> Result<Vec<T>, Failure> {
        let mut entries: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let wanted = limit.map_or(PAGE, |limit| {
                PAGE.min(limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX)))
            });
            if wanted == 0 {
                break;
            }
            let query: Vec<(&str, String)> = [("limit", Some(wanted.to_string())), ("cursor", cursor.take())]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect();
            let page: Page<T> =
                read(self.send_again(|| self.request(Method::GET, path).query(&query)).await?).await?;
            entries.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    /// Sends a repeatable request; repeats it while the cloud cannot be reached or asks to wait, a bounded
    /// number of times. The answer's status is good.
    pub async fn send_again(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        let send = || {
            let sending = request().send();
            async { sending.await.map_err(|error| unreachable_cloud(&self.base, &error)) }
        };
        self.again(send).await
    }

    /// Puts bytes, as often as [`Client::send_again`] would; given up only when nothing moves.
    pub async fn put_again(&self, path: &str, bytes: &Bytes) -> Result<Response, Failure> {
        self.again(|| self.put(path, bytes.clone())).await
    }

    /// Puts bytes to an address of the cloud's storage, once: what it refuses needs another address.
    pub async fn put_elsewhere(
        &self,
        url: &str,
        headers: &std::collections::BTreeMap<String, String>,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let begun =
            headers.iter().fold(self.uploads.put(url), |begun, (name, value)| begun.header(name, value));
        let status = self.put_with(begun, bytes).await?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Failure::new(Kind::Network, format!("the cloud's storage answered {status}")))
    }

    /// Bytes from `from` on, from the cloud or from where it leads; whole where the answer is not 206.
    pub async fn bytes(&self, path: &str, from: u64) -> Result<Response, Failure> {
        self.again(|| self.bytes_once(path, from)).await
    }

    async fn bytes_once(&self, path: &str, from: u64) -> Result<Response, Failure> {
        let ranged = |request: RequestBuilder| match from {
            0 => request,
            _ => request.header(RANGE, format!("bytes={from}-")),
        };
        let own = self.downloads.get(format!("{}/api/v1/{path}", self.base)).bearer_auth(&self.token.secret);
        let told = |error: reqwest::Error| unreachable_cloud(&self.base, &error.without_url());
        let response = ranged(own).send().await.map_err(told)?;
        let address = response.headers().get(LOCATION).and_then(|address| address.to_str().ok());
        let Some(address) = address.filter(|_| response.status() == StatusCode::TEMPORARY_REDIRECT) else {
            return Ok(response);
        };
        let away = |why: String| Failure::new(Kind::Network, format!("the cloud's storage {why}"));
        let response = ranged(self.downloads.get(address)).send().await;
        let response =
            response.map_err(|error| away(format!("cannot be reached: {}", words(&error.without_url()))))?;
        // An address that is too old, for one: the next try gets another.
        let status = response.status();
        if status.is_success() { Ok(response) } else { Err(away(format!("answered {status}"))) }
    }

    async fn put(&self, path: &str, bytes: Bytes) -> Result<Response, Failure> {
        let begun = self.uploads.put(format!("{}/api/v1/{path}", self.base)).bearer_auth(&self.token.secret);
        self.put_with(begun, bytes).await
    }

    async fn put_with(&self, begun: RequestBuilder, bytes: Bytes) -> Result<Response, Failure> {
        let (left, mut moves) = watch::channel(0);
        let (size, mut begin) = (bytes.len(), 0);
        let pieces = std::iter::from_fn(move || {
            let piece = bytes.slice(begin..size.min(begin + PIECE_BYTES));
            begin += piece.len();
            left.send_replace(begin);
            (!piece.is_empty()).then_some(Ok::<_, std::convert::Infallible>(piece))
        });
        let request = begun.header(CONTENT_LENGTH, size).body(Body::wrap_stream(stream::iter(pieces)));
        let mut sending = pin!(request.send());
        let told = |sent: Result<_, reqwest::Error>| {
            sent.map_err(|error| unreachable_cloud(&self.base, &error.without_url()))
        };
        let stuck = |what| Failure::new(Kind::Network, format!("{} {what}", self.base));
        while *moves.borrow() < size {
            tokio::select! {
                sent = &mut sending => return told(sent),
                moved = timeout(self.silence, moves.changed()) => match moved {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break, // nobody will ask for the rest: the answer is on its way
                    Err(_) => return Err(stuck("takes no more bytes: the upload stands still")),
                },
            }
        }
        match timeout(ANSWER_MAX, sending).await {
            Ok(sent) => told(sent),
            Err(_) => Err(stuck("does not answer an upload")),
        }
    }

    async fn again<S>(&self, send: impl Fn() -> S) -> Result<Response, Failure>
    where
        S: Future<Output = Result<Response, Failure>>,
    {
        let mut wait = Duration::from_millis(200);
        let mut tried = 1;
        loop {
            let failure = match send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let is_passing = matches!(
                        response.status(),
                        StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::BAD_GATEWAY
                            | StatusCode::SERVICE_UNAVAILABLE
                    );
                    let (failure, asked) = self.problem(response).await;
                    if !is_passing {
                        return Err(failure);
                    }
                    wait = asked.unwrap_or(wait);
                    failure
                }
                Err(failure) => failure,
            };
            if tried >= TRIES_MAX {
                return Err(failure);
            }
            tried += 1;
            tokio::time::sleep(wait.min(Duration::from_secs(10))).await;
            wait *= 2;
        }
    }

    /// The failure that a bad answer tells, and how long it asks to wait.
    async fn problem(&self, response: Response) -> (Failure, Option<Duration>) {
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) if problem.code == ProblemCode::NotSignedIn.code() => (self.unknown_token(), None),
            Ok(problem) => {
                (Failure::from_problem(&problem), problem.retry_after_ms.map(Duration::from_millis))
            }
            Err(_) => {
                let kind = if status.is_server_error() { Kind::Network } else { Kind::Failed };
                (Failure::new(kind, format!("the server answered {status}: is this a Pictor cloud?")), None)
            }
        }
    }

    fn unknown_token(&self) -> Failure {
        let (base, origin) = (&self.base, &self.token.origin);
        let words = format!(
            "{base} does not take {origin}: it was revoked, has run out or is of another cloud. Make a new \
             one at {base}/account and keep it with `pictor login`"
        );
        Failure::new(Kind::Auth, words)
    }
}

fn built(
    limit: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, Failure> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("pictor/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10));
    limit(builder).build().map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))
}

/// Reads a good answer's JSON.
pub async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let bytes = response.bytes().await.map_err(|error| Failure::new(Kind::Network, words(&error)))?;
    // An answer without a body is read as `null`, which serves commands whose answer nobody needs.
    let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| {
        Failure::failed(format!("the cloud's answer was not understood ({error}): is this client too old?"))
    })
}

fn unreachable_cloud(base: &str, error: &reqwest::Error) -> Failure {
    Failure::new(Kind::Network, format!("{base} cannot be reached: {}", words(error)))
}

/// The innermost cause, which is the one that helps.
pub fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;

    /// Larger than what the system's buffers take in without a reader.
    const SIZE: usize = 24 * 1024 * 1024;

    /// Puts a part to a server that reads a piece each 50 ms, at most so many bytes, and then answers 204.
    async fn put(bytes_max: usize) -> Result<Response, Failure> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client =
            Client::with_silence(&url, Token::typed("token".into()), Duration::from_millis(600)).unwrap();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut piece, mut read) = (vec![0; 1024 * 1024], 0);
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            while read < bytes_max {
                pace.tick().await;
                read += stream.read_exact(&mut piece).await.unwrap();
            }
            if bytes_max == SIZE {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let bytes = Bytes::from(vec![7; SIZE]);
        tokio::select! {
            answer = client.put("uploads/1/parts/0", bytes) => answer,
            () = serving => unreachable!("it serves for ever"),
        }
    }

    #[tokio::test]
    async fn a_slow_part_goes_on_as_long_as_it_moves() {
        assert!(put(SIZE).await.is_ok_and(|answer| answer.status() == StatusCode::NO_CONTENT));
        let stuck = put(1024 * 1024).await.unwrap_err();
        assert!(stuck.to_string().contains("stands still"), "{stuck}");
    }
}
