//! The table of settings: one line each, with how a text becomes the value and how the value is shown.
//! Reading, the nearest name of a misspelt key and `config print` all follow from it.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use url::Url;

use super::{Config, LogFormat, Secret};

/// One setting.
pub struct Setting {
    /// `section.name`, as in the TOML file; `PICTOR__SECTION__NAME` in the environment.
    pub key: &'static str,
    /// Its value may not be shown whole.
    pub is_secret: bool,
    /// Puts a text into the settings; an error says what would be right.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value in force; nothing where it is not set and has no default.
    pub get: fn(&Config) -> Option<toml::Value>,
}

impl Setting {
    /// The value as it may be shown to anybody: of a database's address only the kind, the host and the name.
    #[must_use]
    pub fn redacted(&self, config: &Config) -> Option<toml::Value> {
        let value = (self.get)(config);
        match value {
            Some(toml::Value::String(text)) if self.is_secret => {
                Some(toml::Value::String(without_credentials(&text)))
            }
            other => other,
        }
    }
}

/// Also without what follows a question mark: PostgreSQL takes a password there too.
pub(super) fn without_credentials(url: &str) -> String {
    let (plain, query) = url.split_once('?').map_or((url, ""), |(plain, _)| (plain, "?•••"));
    let shown = match plain.split_once("://") {
        Some((kind, rest)) => match rest.rsplit_once('@') {
            Some((_, place)) => format!("{kind}://•••@{place}"),
            None => plain.to_owned(),
        },
        None => "•••".to_owned(),
    };
    format!("{shown}{query}")
}

/// Every setting, by section.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "server.listen",
        is_secret: false,
        set: |config, text| {
            let parsed = SocketAddr::from_str(text);
            config.server.listen =
                parsed.map_err(|_| "give address and port, like 127.0.0.1:7420".to_owned())?;
            Ok(())
        },
        get: |config| text(config.server.listen),
    },
    Setting {
        key: "server.public_url",
        is_secret: false,
        set: |config, text| {
            if text.is_empty() {
                config.server.public_url = None;
                return Ok(());
            }
            let url: Url = text.parse().map_err(|error| format!("not an address: {error}"))?;
            if !matches!(url.scheme(), "http" | "https") || url.path() != "/" {
                return Err("give http:// or https:// and a host, without a path".into());
            }
            config.server.public_url = Some(url);
            Ok(())
        },
        get: |config| config.server.public_url.as_ref().and_then(text),
    },
    Setting {
        key: "server.secure_cookies",
        is_secret: false,
        set: |config, text| {
            config.server.secure_cookies = text.parse().map_err(|_| "give true or false".to_owned())?;
            Ok(())
        },
        get: |config| Some(config.server.secure_cookies.into()),
    },
    Setting {
        key: "server.trusted_proxies",
        is_secret: false,
        set: |config, text| {
            let networks = text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(network);
            config.server.trusted_proxies = networks.collect::<Result<_, _>>()?;
            Ok(())
        },
        get: |config| {
            let networks = config.server.trusted_proxies.iter();
            Some(networks.map(ToString::to_string).collect::<Vec<_>>().into())
        },
    },
    Setting {
        key: "server.drain_ms",
        is_secret: false,
        set: |config, text| number(text, 0, 10_000, &mut config.server.drain_ms),
        get: |config| whole(config.server.drain_ms),
    },
    Setting {
        key: "database.url",
        is_secret: true,
        set: |config, text| {
            let is_known =
                ["sqlite://", "postgres://", "postgresql://"].iter().any(|start| text.starts_with(start));
            if !is_known {
                return Err("give sqlite:///path/to/file or postgres://user:password@host/name".into());
            }
            config.database.url = Secret::new(text);
            Ok(())
        },
        get: |config| text(config.database.url.expose()),
    },
    Setting {
        key: "database.connections",
        is_secret: false,
        set: |config, text| number(text, 1, 500, &mut config.database.connections),
        get: |config| whole(config.database.connections),
    },
    Setting {
        key: "bus.url",
        is_secret: true,
        set: |config, text| {
            if !text.is_empty() && !["nats://", "tls://"].iter().any(|start| text.starts_with(start)) {
                return Err("give nats://host:4222 or tls://host:4222".into());
            }
            config.bus.url = Some(text).filter(|text| !text.is_empty()).map(Secret::new);
            Ok(())
        },
        get: |config| config.bus.url.as_ref().and_then(|url| text(url.expose())),
    },
    Setting {
        key: "blobs.dir",
        is_secret: false,
        set: |config, text| {
            config.blobs.dir =
                std::path::absolute(text).map_err(|error| format!("not a folder's path: {error}"))?;
            Ok(())
        },
        get: |config| text(config.blobs.dir.display()),
    },
    Setting {
        key: "blobs.url",
        is_secret: false,
        set: |config, text| {
            config.blobs.url = if text.is_empty() { None } else { Some(bucket(text)?) };
            Ok(())
        },
        get: |config| config.blobs.url.as_ref().and_then(text),
    },
    Setting {
        key: "blobs.endpoint",
        is_secret: false,
        set: |config, text| endpoint(text, &mut config.blobs.endpoint),
        get: |config| config.blobs.endpoint.as_ref().and_then(text),
    },
    Setting {
        key: "blobs.public_endpoint",
        is_secret: false,
        set: |config, text| endpoint(text, &mut config.blobs.public_endpoint),
        get: |config| config.blobs.public_endpoint.as_ref().and_then(text),
    },
    Setting {
        key: "blobs.region",
        is_secret: false,
        set: |config, text| {
            config.blobs.region = Some(text.to_owned()).filter(|region| !region.is_empty());
            Ok(())
        },
        get: |config| config.blobs.region.as_ref().and_then(text),
    },
    Setting {
        key: "blobs.access_key_id",
        is_secret: true,
        set: |config, text| {
            config.blobs.access_key_id = Some(text).filter(|key| !key.is_empty()).map(Secret::new);
            Ok(())
        },
        get: |config| config.blobs.access_key_id.as_ref().and_then(|key| text(key.expose())),
    },
    Setting {
        key: "blobs.secret_access_key",
        is_secret: true,
        set: |config, text| {
            config.blobs.secret_access_key = Some(text).filter(|key| !key.is_empty()).map(Secret::new);
            Ok(())
        },
        get: |config| config.blobs.secret_access_key.as_ref().and_then(|key| text(key.expose())),
    },
    Setting {
        key: "blobs.signed_for_ms",
        is_secret: false,
        set: |config, text| number(text, 1_000, 604_800_000, &mut config.blobs.signed_for_ms),
        get: |config| whole(config.blobs.signed_for_ms),
    },
    Setting {
        key: "liveness.heartbeat_ms",
        is_secret: false,
        set: |config, text| number(text, 100, 300_000, &mut config.liveness.heartbeat_ms),
        get: |config| whole(config.liveness.heartbeat_ms),
    },
    Setting {
        key: "liveness.stale_after_ms",
        is_secret: false,
        set: |config, text| number(text, 200, 3_600_000, &mut config.liveness.stale_after_ms),
        get: |config| whole(config.liveness.stale_after_ms),
    },
    Setting {
        key: "liveness.offline_after_ms",
        is_secret: false,
        set: |config, text| number(text, 400, 3_600_000, &mut config.liveness.offline_after_ms),
        get: |config| whole(config.liveness.offline_after_ms),
    },
    Setting {
        key: "liveness.lease_ttl_ms",
        is_secret: false,
        set: |config, text| number(text, 1_000, 86_400_000, &mut config.liveness.lease_ttl_ms),
        get: |config| whole(config.liveness.lease_ttl_ms),
    },
    Setting {
        key: "liveness.heartbeats_per_second_max",
        is_secret: false,
        set: |config, text| number(text, 1, 1_000_000, &mut config.liveness.heartbeats_per_second_max),
        get: |config| whole(config.liveness.heartbeats_per_second_max),
    },
    Setting {
        key: "liveness.patience_ms",
        is_secret: false,
        set: |config, text| number(text, 0, 86_400_000, &mut config.liveness.patience_ms),
        get: |config| whole(config.liveness.patience_ms),
    },
    Setting {
        key: "limits.upload_bytes_max",
        is_secret: false,
        set: |config, text| number(text, 1, BYTES_MAX, &mut config.limits.upload_bytes_max),
        get: |config| whole(config.limits.upload_bytes_max),
    },
    Setting {
        key: "limits.frame_bytes_max",
        is_secret: false,
        set: |config, text| number(text, 1, BYTES_MAX, &mut config.limits.frame_bytes_max),
        get: |config| whole(config.limits.frame_bytes_max),
    },
    Setting {
        key: "limits.worker_links_max",
        is_secret: false,
        set: |config, text| number(text, 1, 100_000, &mut config.limits.worker_links_max),
        get: |config| whole(config.limits.worker_links_max),
    },
    Setting {
        key: "limits.requests_per_minute",
        is_secret: false,
        set: |config, text| number(text, 1, 10_000_000, &mut config.limits.requests_per_minute),
        get: |config| whole(config.limits.requests_per_minute),
    },
    Setting {
        key: "limits.sign_ins_per_minute",
        is_secret: false,
        set: |config, text| number(text, 1, 100_000, &mut config.limits.sign_ins_per_minute),
        get: |config| whole(config.limits.sign_ins_per_minute),
    },
    Setting {
        key: "simulation.allowed",
        is_secret: false,
        set: |config, text| {
            config.simulation.allowed = text.parse().map_err(|_| "give true or false".to_owned())?;
            Ok(())
        },
        get: |config| Some(config.simulation.allowed.into()),
    },
    Setting {
        key: "log.format",
        is_secret: false,
        set: |config, text| {
            config.log.format = match text {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err("give text or json".into()),
            };
            Ok(())
        },
        get: |config| match config.log.format {
            LogFormat::Text => text("text"),
            LogFormat::Json => text("json"),
        },
    },
    Setting {
        key: "log.level",
        is_secret: false,
        set: |config, text| {
            check_log_level(text)?;
            text.clone_into(&mut config.log.level);
            Ok(())
        },
        get: |config| text(&config.log.level),
    },
];

/// The largest number that TOML has.
const BYTES_MAX: u64 = i64::MAX.cast_unsigned();

#[allow(clippy::unnecessary_wraps)] // as the table wants it
fn text(value: impl ToString) -> Option<toml::Value> {
    Some(toml::Value::String(value.to_string()))
}

/// Numbers above TOML's largest cannot be set.
fn whole(value: impl TryInto<i64>) -> Option<toml::Value> {
    value.try_into().ok().map(toml::Value::Integer)
}

/// A bucket by its address; keys have settings of their own, so that none is shown with it.
fn bucket(text: &str) -> Result<Url, String> {
    let wish = "give s3://bucket/prefix, az://container/prefix or gs://bucket/prefix";
    let url: Url = text.parse().map_err(|_| wish.to_owned())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_bucket = matches!(url.scheme(), "s3" | "az" | "gs") && url.has_host() && url.port().is_none();
    if is_plain && is_bucket { Ok(url) } else { Err(wish.to_owned()) }
}

/// Where a storage answers; an empty text takes it back.
fn endpoint(text: &str, place: &mut Option<Url>) -> Result<(), String> {
    let url = text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    *place = match (text.is_empty(), url.filter(is_plain)) {
        (true, _) => None,
        (false, Some(url)) => Some(url),
        (false, None) => return Err("give an address that begins with http:// or https://".into()),
    };
    Ok(())
}

/// An address, or a network with its length.
fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
        format!("{text:?} is neither an address nor a network: give some, like 127.0.0.1 or 10.0.0.0/8")
    })
}

/// The library takes any word for the name of a module, so that a misspelt level would log nothing.
fn check_log_level(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let wish = "give error, warn, info, debug, trace or off, or some like info,pictor_cloud=debug";
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_good = text.split(',').map(str::trim).all(|one| match one.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(one),
    });
    let is_parsed = || tracing_subscriber::EnvFilter::try_new(text).is_ok();
    if is_good && is_parsed() { Ok(()) } else { Err(wish.to_owned()) }
}

fn number<N: FromStr + PartialOrd + std::fmt::Display + Copy>(
    text: &str,
    least: N,
    most: N,
    place: &mut N,
) -> Result<(), String> {
    let parsed = text.replace('_', "").parse::<N>().ok().filter(|value| *value >= least && *value <= most);
    *place = parsed.ok_or_else(|| format!("give a number from {least} to {most}"))?;
    Ok(())
}
