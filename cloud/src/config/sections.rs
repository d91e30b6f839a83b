//! The sections of the settings with their defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use pictor_actors::limits::{FRAME_BYTES_MAX, UPLOAD_BYTES_MAX};
use pictor_actors::units::Millis;
use pictor_cloud_domain::liveness::RATE_MAX_PER_SECOND;
use url::Url;

use super::Secret;
use super::settings::without_credentials;

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address and port; port 0: any free one.
    pub listen: SocketAddr,
    /// How browsers and workers reach it; nothing: by the listening address.
    pub public_url: Option<Url>,
    /// Cookies only over HTTPS, with the `__Host-` prefix; unless said, on where `public_url` is https.
    pub secure_cookies: bool,
    /// Once told to stop, this long passes between "not ready" and the end of listening, so that a load
    /// balancer can send requests elsewhere; only where another replica lives.
    pub drain_ms: u64,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; nobody's unless said.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 7420).into(),
            public_url: None,
            secure_cookies: false,
            drain_ms: 5_000,
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `sqlite:///path/to/file` or `postgres://user:password@host/name`.
    pub url: Secret,
    /// Connections to PostgreSQL, or readers of SQLite.
    pub connections: u32,
}

impl DatabaseConfig {
    /// Only one cloud at a time can work on it: SQLite, unlike PostgreSQL, which replicas share.
    #[must_use]
    pub fn is_one_process(&self) -> bool {
        self.url.expose().starts_with("sqlite:")
    }

    /// Its address as it may be shown to anybody.
    #[must_use]
    pub fn shown(&self) -> String {
        without_credentials(self.url.expose())
    }

    /// The SQLite file of a data folder.
    #[must_use]
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            url: Secret::new(format!("sqlite://{}", data_dir.join("pictor.db").display())),
            connections: 8,
        }
    }
}

/// `[bus]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusConfig {
    /// `nats://user:password@host:4222`, over which several replicas hear of each other at once; nothing:
    /// they look into the database now and then.
    pub url: Option<Secret>,
}

/// `[blobs]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobsConfig {
    /// Folder; not used where there is a `url`.
    pub dir: PathBuf,
    /// `s3://bucket/prefix`, `az://container/prefix` or `gs://bucket/prefix`: a storage that replicas share.
    pub url: Option<Url>,
    /// The storage's address, where it is not the provider's own.
    pub endpoint: Option<Url>,
    /// The same as workers and browsers reach it; nothing: as this cloud does.
    pub public_endpoint: Option<Url>,
    /// Region of an S3 bucket.
    pub region: Option<String>,
    /// S3's access key, or the name of Azure's account.
    pub access_key_id: Option<Secret>,
    /// S3's secret key, or the key of Azure's account.
    pub secret_access_key: Option<Secret>,
    /// How long the addresses are good that clients get for the storage.
    pub signed_for_ms: u64,
    /// What `AWS_…`, `AZURE_…` and `GOOGLE_…` say; settings win over them.
    pub environment: Vec<(String, Secret)>,
}

impl BlobsConfig {
    /// The folder of blobs of a data folder.
    #[must_use]
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            dir: data_dir.join("blobs"),
            url: None,
            endpoint: None,
            public_endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            signed_for_ms: 900_000,
            environment: Vec::new(),
        }
    }

    /// How long signed addresses are good.
    #[must_use]
    pub const fn signed_for(&self) -> Millis {
        Millis(self.signed_for_ms)
    }
}

/// `[liveness]`, all in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivenessConfig {
    /// Workers send a heartbeat this often.
    pub heartbeat_ms: u64,
    /// Silent for this long: stale.
    pub stale_after_ms: u64,
    /// Silent for this long: offline.
    pub offline_after_ms: u64,
    /// Silent for this long: its leases are lost; where half of a frame takes longer, after that, at most ten
    /// minutes.
    pub lease_ttl_ms: u64,
    /// Heartbeats a second of all workers together: with more workers each sends less often.
    pub heartbeats_per_second_max: u64,
    /// After a start, and after a time in which the cloud could not hear or note workers, none loses a lease
    /// for this long.
    pub patience_ms: u64,
}

impl Default for LivenessConfig {
    fn default() -> Self {
        Self {
            heartbeat_ms: 5_000,
            stale_after_ms: 15_000,
            offline_after_ms: 60_000,
            lease_ttl_ms: 60_000,
            heartbeats_per_second_max: RATE_MAX_PER_SECOND,
            patience_ms: 120_000,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes of one upload.
    pub upload_bytes_max: u64,
    /// Bytes of one frame's file.
    pub frame_bytes_max: u64,
    /// Sockets of workers at a time.
    pub worker_links_max: u32,
    /// Requests a minute of one account or address.
    pub requests_per_minute: u32,
    /// Sign-in tries a minute of one address or for one account.
    pub sign_ins_per_minute: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            upload_bytes_max: UPLOAD_BYTES_MAX,
            frame_bytes_max: FRAME_BYTES_MAX,
            worker_links_max: 10_000,
            requests_per_minute: 1_200,
            sign_ins_per_minute: 10,
        }
    }
}

/// `[simulation]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimulationConfig {
    /// Simulated workers may connect, and jobs may ask for the simulated engine, whose pictures are made up.
    pub allowed: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Form of the lines.
    pub format: LogFormat,
    /// What is logged, as tracing's directives (`info,pictor_cloud=debug`).
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
