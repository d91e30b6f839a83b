//! What every handler can reach.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header;
use pictor_actors::now::{Clock, Now};
use pictor_actors::supervise::Shutdown;
use pictor_actors::units::UnixMillis;
use pictor_cloud_api::problem::ProblemCode;
use url::Url;

use super::layers::proxies;
use super::layers::rate_limit::RateLimits;
use super::problem::Error;
use crate::agents::Farm;
use crate::blobs::Blobs;
use crate::config::Config;
use crate::config::address::is_wildcard;
use crate::ingest::Ingest;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::views::Views;

/// Shared by all HTTP threads as `web::Data<AppState>`.
pub struct AppState {
    /// Settings in force.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Stored bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Uploads, and small pictures of frames.
    pub ingest: Ingest,
    /// The actors.
    pub farm: Farm,
    /// The templates.
    pub views: Arc<Views>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters for `/metrics`.
    pub metrics: Metrics,
    /// Requests counted per address and per caller.
    pub rate_limits: RateLimits,
    /// Begins when the program stops: live streams end then.
    pub shutdown: Shutdown,
}

impl AppState {
    /// Both clocks, read now.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The address under which whoever asks reaches this cloud: the configured one, else as the request came
    /// in.
    ///
    /// # Errors
    /// `malformed` if the request names no usable host and none is configured: workers shall call it too.
    pub fn address(&self, request: &HttpRequest) -> Result<Url, Error> {
        if let Some(url) = &self.config.server.public_url {
            return Ok(url.clone());
        }
        let scheme = if self.is_secure(request) { "https" } else { "http" };
        let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
        let url = host.and_then(|host| Url::parse(&format!("{scheme}://{host}/")).ok());
        let plain = url.filter(|url| url.path() == "/" && url.username().is_empty() && url.query().is_none());
        let url =
            plain.ok_or_else(|| Error::new(ProblemCode::Malformed, "the request names no usable host"))?;
        if is_wildcard(&url) {
            let why = "this address stands for every interface and cannot be called from elsewhere: open the \
                       dashboard by this machine's name or address, or have server.public_url set";
            return Err(Error::new(ProblemCode::Malformed, why));
        }
        Ok(url)
    }

    /// Whether browsers reach this cloud over HTTPS: as configured, or as a trusted proxy says of this
    /// request.
    #[must_use]
    pub fn is_secure(&self, request: &HttpRequest) -> bool {
        let server = &self.config.server;
        server.secure_cookies || proxies::came_by_https(request, &server.trusted_proxies)
    }

    /// The client's address, for rate limits.
    #[must_use]
    pub fn client_address(&self, request: &HttpRequest) -> IpAddr {
        proxies::client_address(request, &self.config.server.trusted_proxies)
    }

    /// The time of day, to store.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        self.clock.now().wall
    }
}
