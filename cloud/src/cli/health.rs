//! `health`: asks the cloud on this machine. An image that holds nothing but the cloud has no other program
//! that could.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use pictor_actors::units::Millis;
use serde_json::Value;

use crate::boot;
use crate::config::Config;

/// Less than the five seconds that a container's health check waits, more than the slowest of our checks.
const ANSWER_WITHIN: Millis = Millis(4_000);

/// Says *ok*, or fails with the checks that do.
pub async fn run(config: &Config, live: bool) -> Result<()> {
    let path = if live { "livez" } else { "readyz" };
    let address = address(config).context("no cloud runs with this data folder")?;
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN.to_duration());
    // Loopback speaks no TLS, but the client is made with it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let asked = client.build()?.get(format!("{address}/{path}")).send().await;
    let answer = asked.with_context(|| format!("{address} does not answer"))?;
    let status = answer.status();
    if status.is_success() {
        println!("ok");
        return Ok(());
    }
    let said: Value = answer.json().await.unwrap_or_default();
    bail!("{address} is not ready ({status}): {}", failing(&said))
}

/// By its own door, not by the public one: that may lead to another replica.
fn address(config: &Config) -> Option<String> {
    let listen = config.server.listen;
    if listen.port() == 0 {
        return boot::running_address(&config.data_dir);
    }
    let ip = match listen {
        SocketAddr::V4(at) if at.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(at) if at.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => listen.ip(),
    };
    Some(format!("http://{}", SocketAddr::new(ip, listen.port())))
}

fn failing(said: &Value) -> String {
    let checks = said["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let words = checks.iter().filter(|check| check["is_ok"] == false).map(|check| {
        let text = |name: &str| check[name].as_str().unwrap_or("?").to_owned();
        format!("{}: {}", text("name"), text("why"))
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "it does not say why".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_is_asked_by_its_own_door() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_testing(folder.path());
        config.server.public_url = Some("https://farm.example.org/".parse().unwrap());
        assert_eq!(address(&config), None, "any port, and none runs");
        for (listen, wanted) in [
            ("0.0.0.0:7420", "http://127.0.0.1:7420"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.7:7420", "http://10.0.0.7:7420"),
        ] {
            config.server.listen = listen.parse().unwrap();
            assert_eq!(address(&config).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_fails_is_named() {
        let said = serde_json::json!({ "checks": [
            { "name": "database", "is_ok": true },
            { "name": "blobs", "is_ok": false, "why": "no answer" },
        ] });
        assert_eq!(failing(&said), "blobs: no answer");
        assert_eq!(failing(&Value::Null), "it does not say why");
    }
}
