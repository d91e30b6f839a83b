//! Who asks, and whether over HTTPS, where a proxy stands between.
//!
//! What `X-Forwarded-…` says is believed only from the addresses in `server.trusted_proxies`: anybody else
//! can write those headers too, and would choose the address to be counted under.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// Addresses of one request that are looked at: a chain of proxies is short.
const HOPS_MAX: usize = 16;

/// The client's address: the nearest one that is no trusted proxy.
#[must_use]
pub fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical());
    if !is_among(trusted, peer) {
        return peer;
    }
    let hops = values(request.headers(), "x-forwarded-for");
    let mut nearest = peer;
    for hop in hops.iter().rev().take(HOPS_MAX) {
        // Garbage was written by somebody beyond the last proxy that is trusted.
        let Some(address) = address(hop) else { return nearest };
        nearest = address;
        if !is_among(trusted, address) {
            break;
        }
    }
    nearest
}

/// Whether a trusted proxy says that the request reached it over HTTPS.
#[must_use]
pub fn came_by_https(request: &HttpRequest, trusted: &[IpNet]) -> bool {
    let is_proxy = request.peer_addr().is_some_and(|peer| is_among(trusted, peer.ip().to_canonical()));
    // Of several proxies the nearest one is ours; what it says is last.
    is_proxy && values(request.headers(), "x-forwarded-proto").last().is_some_and(|scheme| *scheme == "https")
}

fn is_among(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// All values of a list header, in the order in which proxies added them.
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> Vec<&'a str> {
    let lines = headers.get_all(name).map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// An address as proxies write it: plain, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    plain.or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        for line in forwarded {
            request = request.append_header(("x-forwarded-for", *line));
        }
        client_address(&request.to_http_request(), &trusted).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_adds_is_believed() {
        let proxies = ["127.0.0.0/8", "10.1.0.0/16", "::1/128"];
        for (peer, forwarded, wanted) in [
            // A stranger names another address.
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // The client wrote the first one itself; the proxy added the second.
            ("127.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["1.2.3.4", "198.51.100.1"], "198.51.100.1"),
            // Two proxies of ours in a row.
            ("127.0.0.1", &["1.2.3.4, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::ffff:127.0.0.1", &["198.51.100.1:80"], "198.51.100.1"),
            // From inside, or nothing said: the farthest that is known.
            ("127.0.0.1", &["10.1.9.9"], "10.1.9.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1, garbage, 10.1.2.3"], "10.1.2.3"),
        ] {
            assert_eq!(asked(peer, forwarded, &proxies), wanted, "{peer} {forwarded:?}");
        }
        assert_eq!(asked("127.0.0.1", &["198.51.100.1"], &[]), "127.0.0.1", "nobody is trusted by default");
    }

    #[test]
    fn https_is_believed_of_a_trusted_proxy_only() {
        let trusted = ["10.1.0.0/16".parse().unwrap()];
        for (peer, said, wanted) in [
            ("10.1.0.1:9", Some("https"), true),
            ("10.1.0.1:9", Some("https, http"), false),
            ("10.1.0.1:9", Some("http, https"), true),
            ("10.1.0.1:9", None, false),
            ("10.2.0.1:9", Some("https"), false),
        ] {
            let mut request = TestRequest::default().peer_addr(peer.parse().unwrap());
            if let Some(said) = said {
                request = request.insert_header(("x-forwarded-proto", said));
            }
            assert_eq!(came_by_https(&request.to_http_request(), &trusted), wanted, "{peer} {said:?}");
        }
    }
}
