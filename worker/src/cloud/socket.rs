//! Opens the socket between worker and cloud. What is said over it is the link's (`agents/link`), and that of
//! whoever only asks how the cloud sees this worker ([`super::standing`]).

use pictor_actors::limits::WIRE_FRAME_BYTES_MAX;
use pictor_actors::protocol::{LINK_PATH, SUBPROTOCOL};
use pictor_actors::units::Millis;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::install_crypto;

/// Connecting, TLS and upgrade together.
pub const CONNECT_MAX: Millis = Millis::from_secs(15);
/// The library's buffers; its defaults of 128 KiB each are for floods that we do not have.
const BUFFER_BYTES: usize = 8 * 1024;

/// An open socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens one; the caller bounds the time.
///
/// # Errors
/// Why there is none, in words.
pub async fn connect(cloud: &url::Url) -> Result<Socket, String> {
    connect_with(cloud, BUFFER_BYTES).await
}

/// The same with buffers of this size, of which a socket has two.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with(cloud: &url::Url, buffer_bytes: usize) -> Result<Socket, String> {
    install_crypto();
    let base = cloud.as_str().trim_end_matches('/');
    let address = match cloud.scheme() {
        "https" => base.replacen("https", "wss", 1),
        _ => base.replacen("http", "ws", 1),
    };
    let mut request =
        format!("{address}{LINK_PATH}").into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .max_message_size(Some(WIRE_FRAME_BYTES_MAX))
        .max_frame_size(Some(WIRE_FRAME_BYTES_MAX))
        .read_buffer_size(buffer_bytes)
        .write_buffer_size(buffer_bytes);
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(format!("the cloud answered {}", response.status())),
        Err(error) => Err(error.to_string()),
    }
}
