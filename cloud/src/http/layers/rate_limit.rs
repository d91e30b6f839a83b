//! How often one address or one caller may ask. Above it: 429 with the time to wait.
//!
//! The tables of counters are bounded: beyond `KEYS_MAX` those that have been quiet are dropped.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use pictor_actors::units::Millis;
use pictor_cloud_api::problem::ProblemCode;

use crate::config::LimitsConfig;
use crate::http::problem::Error;

/// Counters kept of a kind before quiet ones are dropped.
const KEYS_MAX: usize = 100_000;

/// How much is allowed: so many at once, refilled at so many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// At once.
    pub burst: NonZeroU32,
    /// Refill.
    pub per_minute: NonZeroU32,
}

/// The allowances in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRules {
    /// Tries at a door (sign-in, set-up, enrolment) from one address, or at one e-mail address: guessing must
    /// be slow.
    pub door: Allowance,
    /// Refused credentials from one address.
    pub refused: Allowance,
    /// Requests of one account or worker.
    pub caller: Allowance,
    /// Requests from one address without an account: pages and assets of a whole office behind one router.
    pub address: Allowance,
}

const fn allowance(burst: u32, per_minute: u32) -> Allowance {
    match (NonZeroU32::new(burst), NonZeroU32::new(per_minute)) {
        (Some(burst), Some(per_minute)) => Allowance { burst, per_minute },
        _ => Allowance { burst: NonZeroU32::MIN, per_minute: NonZeroU32::MIN },
    }
}

impl From<&LimitsConfig> for RateRules {
    fn from(limits: &LimitsConfig) -> Self {
        let (requests, sign_ins) = (limits.requests_per_minute, limits.sign_ins_per_minute);
        Self {
            door: allowance(sign_ins, sign_ins),
            refused: allowance(sign_ins.saturating_mul(6), sign_ins.saturating_mul(6)),
            caller: allowance(requests, requests),
            address: allowance(requests, requests.saturating_mul(4)),
        }
    }
}

/// The counters.
pub struct RateLimits {
    door: DefaultKeyedRateLimiter<IpAddr>,
    account_door: DefaultKeyedRateLimiter<String>,
    refused: DefaultKeyedRateLimiter<IpAddr>,
    caller: DefaultKeyedRateLimiter<String>,
    address: DefaultKeyedRateLimiter<IpAddr>,
}

/// What is counted as one client: an IPv6 customer has at least a /64 and could take a new address for each
/// try.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        },
    }
}

impl RateLimits {
    /// All full.
    #[must_use]
    pub fn new(rules: &RateRules) -> Self {
        Self {
            door: RateLimiter::dashmap(quota(rules.door)),
            account_door: RateLimiter::dashmap(quota(rules.door)),
            refused: RateLimiter::dashmap(quota(rules.refused)),
            caller: RateLimiter::dashmap(quota(rules.caller)),
            address: RateLimiter::dashmap(quota(rules.address)),
        }
    }

    /// One try at a door.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn door(&self, address: IpAddr) -> Result<(), Error> {
        count(&self.door, &network(address), "too many tries from your address")
    }

    /// One try to sign in with this e-mail address, from wherever.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn account_door(&self, email: String) -> Result<(), Error> {
        count(&self.account_door, &email, "too many tries to sign in with this e-mail address")
    }

    /// One refused credential.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn refused(&self, address: IpAddr) -> Result<(), Error> {
        count(&self.refused, &network(address), "too many refused requests from your address")
    }

    /// One request of a caller, by its id.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn caller(&self, id: String) -> Result<(), Error> {
        count(&self.caller, &id, "too many requests of this account or worker")
    }

    /// One request without a caller.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn address(&self, address: IpAddr) -> Result<(), Error> {
        count(&self.address, &network(address), "too many requests from your address")
    }
}

fn quota(allowance: Allowance) -> Quota {
    Quota::per_minute(allowance.per_minute).allow_burst(allowance.burst)
}

fn count<K>(limiter: &DefaultKeyedRateLimiter<K>, key: &K, what: &str) -> Result<(), Error>
where
    K: Clone + std::hash::Hash + Eq,
{
    if limiter.len() > KEYS_MAX {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|full| {
        let wait = Millis::from(full.wait_time_from(DefaultClock::default().now()));
        let seconds = wait.0.div_ceil(1000);
        let detail = format!("{what}: try again in {seconds} s");
        Error::new(ProblemCode::RateLimited, detail).retry_after(Millis(wait.0.max(1)))
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    #[test]
    fn one_customer_counts_once_however_many_addresses_it_has() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:aaaa::1"), of("2001:db8:1:2:bbbb::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(
            (of("203.0.113.7"), of("::ffff:203.0.113.7")),
            ("203.0.113.7".into(), "203.0.113.7".into())
        );
    }

    use super::*;

    #[test]
    fn above_the_burst_one_waits_and_others_do_not() {
        let rules = RateRules { door: allowance(2, 1), ..RateRules::from(&LimitsConfig::default()) };
        let limits = RateLimits::new(&rules);
        let (one, other) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from([10, 0, 0, 1]));
        assert!(limits.door(one).is_ok() && limits.door(one).is_ok());
        let refused = limits.door(one).unwrap_err().problem(None);
        assert_eq!(refused.code, "rate_limited");
        assert!(refused.retry_after_ms.is_some_and(|wait| wait > 30_000));
        assert!(limits.door(other).is_ok());
    }
}
