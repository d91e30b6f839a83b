//! The table of settings: one line each, with how a text becomes the value and how the value is shown.
//! Reading, the nearest name of a misspelt key and `config print` all follow from it.

use std::net::SocketAddr;
use std::str::FromStr;

use super::{Config, LogFormat, Secret};

/// One setting.
pub struct Setting {
    /// `section.name`, as in the TOML file; `PICTOR__SECTION__NAME` in the environment.
    pub key: &'static str,
    /// Its value may not be shown.
    pub is_secret: bool,
    /// Puts a text into the settings; an error says what would be right.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
    /// The value in force.
    pub get: fn(&Config) -> String,
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
        get: |config| config.server.listen.to_string(),
    },
    Setting {
        key: "server.public_url",
        is_secret: false,
        set: |config, text| {
            let url: url::Url = text.parse().map_err(|error| format!("not an address: {error}"))?;
            if !matches!(url.scheme(), "http" | "https") || url.path() != "/" {
                return Err("give http:// or https:// and a host, without a path".into());
            }
            config.server.public_url = Some(url);
            Ok(())
        },
        get: |config| config.server.public_url.as_ref().map_or_else(String::new, ToString::to_string),
    },
    Setting {
        key: "server.secure_cookies",
        is_secret: false,
        set: |config, text| {
            config.server.secure_cookies = text.parse().map_err(|_| "give true or false".to_owned())?;
            Ok(())
        },
        get: |config| config.server.secure_cookies.to_string(),
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
        get: |config| config.database.url.expose().to_owned(),
    },
    Setting {
        key: "database.connections",
        is_secret: false,
        set: |config, text| number(text, 1, 500, &mut config.database.connections),
        get: |config| config.database.connections.to_string(),
    },
    Setting {
        key: "blobs.dir",
        is_secret: false,
        set: |config, text| {
            config.blobs.dir = text.into();
            Ok(())
        },
        get: |config| config.blobs.dir.display().to_string(),
    },
    Setting {
        key: "liveness.heartbeat_ms",
        is_secret: false,
        set: |config, text| number(text, 100, 300_000, &mut config.liveness.heartbeat_ms),
        get: |config| config.liveness.heartbeat_ms.to_string(),
    },
    Setting {
        key: "liveness.stale_after_ms",
        is_secret: false,
        set: |config, text| number(text, 200, 3_600_000, &mut config.liveness.stale_after_ms),
        get: |config| config.liveness.stale_after_ms.to_string(),
    },
    Setting {
        key: "liveness.offline_after_ms",
        is_secret: false,
        set: |config, text| number(text, 400, 3_600_000, &mut config.liveness.offline_after_ms),
        get: |config| config.liveness.offline_after_ms.to_string(),
    },
    Setting {
        key: "liveness.lease_ttl_ms",
        is_secret: false,
        set: |config, text| number(text, 1_000, 86_400_000, &mut config.liveness.lease_ttl_ms),
        get: |config| config.liveness.lease_ttl_ms.to_string(),
    },
    Setting {
        key: "limits.upload_bytes_max",
        is_secret: false,
        set: |config, text| number(text, 1, u64::MAX, &mut config.limits.upload_bytes_max),
        get: |config| config.limits.upload_bytes_max.to_string(),
    },
    Setting {
        key: "limits.frame_bytes_max",
        is_secret: false,
        set: |config, text| number(text, 1, u64::MAX, &mut config.limits.frame_bytes_max),
        get: |config| config.limits.frame_bytes_max.to_string(),
    },
    Setting {
        key: "limits.worker_links_max",
        is_secret: false,
        set: |config, text| number(text, 1, 100_000, &mut config.limits.worker_links_max),
        get: |config| config.limits.worker_links_max.to_string(),
    },
    Setting {
        key: "limits.requests_per_minute",
        is_secret: false,
        set: |config, text| number(text, 1, 10_000_000, &mut config.limits.requests_per_minute),
        get: |config| config.limits.requests_per_minute.to_string(),
    },
    Setting {
        key: "limits.sign_ins_per_minute",
        is_secret: false,
        set: |config, text| number(text, 1, 100_000, &mut config.limits.sign_ins_per_minute),
        get: |config| config.limits.sign_ins_per_minute.to_string(),
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
            LogFormat::Text => "text".into(),
            LogFormat::Json => "json".into(),
        },
    },
    Setting {
        key: "log.level",
        is_secret: false,
        set: |config, text| {
            text.clone_into(&mut config.log.level);
            Ok(())
        },
        get: |config| config.log.level.clone(),
    },
];

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
