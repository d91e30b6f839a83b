//! Under which address the cloud is reached, as far as its settings tell.
//!
//! A cloud that listens on `0.0.0.0` or `[::]` takes connections on every interface, but that is no address
//! to call: on another machine it leads nowhere, on this one by luck. Only its operator knows the right
//! one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::ServerConfig;

impl ServerConfig {
    /// The public address, else the one it listens on; without a slash at its end.
    #[must_use]
    pub fn address(&self, listens_on: SocketAddr) -> String {
        if let Some(url) = &self.public_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let scheme = if self.secure_cookies { "https" } else { "http" };
        format!("{scheme}://{listens_on}")
    }
}

/// Whether the address stands for every interface: good to listen on, not to call.
#[must_use]
pub fn is_wildcard(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(host)) => host.is_unspecified(),
        Some(Host::Ipv6(host)) => host.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// The address as a browser on this machine can call it.
#[must_use]
pub fn on_this_machine(mut address: Url) -> Url {
    if is_wildcard(&address) {
        let loopback = match address.host() {
            Some(Host::Ipv6(_)) => IpAddr::from(Ipv6Addr::LOCALHOST),
            Some(Host::Ipv4(_) | Host::Domain(_)) | None => IpAddr::from(Ipv4Addr::LOCALHOST),
        };
        // Only an address without a host can refuse one.
        let _ = address.set_ip_host(loopback);
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_is_told_from_one_and_is_loopback_on_this_machine() {
        for (listens_on, is_every, here) in [
            ("0.0.0.0:7420", true, "http://127.0.0.1:7420/"),
            ("[::]:7420", true, "http://[::1]:7420/"),
            ("127.0.0.1:7420", false, "http://127.0.0.1:7420/"),
            ("192.168.0.9:80", false, "http://192.168.0.9/"),
            ("[fe80::1]:7420", false, "http://[fe80::1]:7420/"),
        ] {
            let address: Url = ServerConfig::default().address(listens_on.parse().unwrap()).parse().unwrap();
            assert_eq!(is_wildcard(&address), is_every, "{listens_on}");
            assert_eq!(on_this_machine(address).as_str(), here, "{listens_on}");
        }
        let named: Url = "http://farm.example.org".parse().unwrap();
        assert!(!is_wildcard(&named) && on_this_machine(named.clone()) == named);
    }

    #[test]
    fn the_public_address_wins() {
        let public_url = Some("https://farm.example.org/".parse().unwrap());
        let server = ServerConfig { public_url, ..ServerConfig::default() };
        assert_eq!(server.address(([0, 0, 0, 0], 7420).into()), "https://farm.example.org");
        let behind_tls = ServerConfig { secure_cookies: true, ..ServerConfig::default() };
        assert_eq!(behind_tls.address(([127, 0, 0, 1], 1).into()), "https://127.0.0.1:1");
    }
}
