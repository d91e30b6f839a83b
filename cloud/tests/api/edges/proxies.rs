//! A proxy between the cloud and its clients, trusted and not. All requests come from loopback.

use crate::harness::{PASSWORD, TestApp};

/// The statuses of six guesses of one address and of one more of another.
async fn guesses(proxies: &[&str]) -> (Vec<u16>, u16) {
    let trusted = proxies.iter().map(|network| network.parse().unwrap()).collect();
    let app = TestApp::start_with(|config| {
        config.limits.sign_ins_per_minute = 1;
        config.server.trusted_proxies = trusted;
    })
    .await;
    let guess = app.nobody().with("authorization", "Bearer pct_guess");
    let from = |address: &str| guess.with("x-forwarded-for", format!("198.51.100.200, {address}"));
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(from("203.0.113.1").get("/api/v1/account").await.status);
    }
    (statuses, from("203.0.113.2").get("/api/v1/account").await.status)
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_counted_by_itself() {
    let (one, other) = guesses(&["127.0.0.0/8"]).await;
    assert_eq!((one.as_slice(), other), (&[401, 401, 401, 401, 401, 401, 429][..], 401));
}

#[tokio::test]
async fn what_anybody_else_says_about_addresses_is_not_believed() {
    for proxies in [&[][..], &["10.0.0.0/8"]] {
        let (one, other) = guesses(proxies).await;
        assert_eq!((one.last(), other), (Some(&429), 429), "the second address is the same client");
    }
}

#[tokio::test]
async fn cookies_are_for_https_where_a_trusted_proxy_says_so() {
    for (trusted, cookie, is_secure) in
        [("127.0.0.1/32", "__Host-pictor", true), ("10.0.0.0/8", "pictor", false)]
    {
        let app =
            TestApp::start_with(|config| config.server.trusted_proxies = vec![trusted.parse().unwrap()])
                .await;
        let browser = app.nobody().with("x-forwarded-proto", "https");
        let fields = [("email", app.owner.email.as_str()), ("password", PASSWORD)];
        let entered = browser.form("/sign-in", &fields).await;
        let set = entered.header("set-cookie").to_owned();
        assert_eq!(entered.status, 303, "{entered}");
        assert_eq!((set.split('=').next(), set.contains("Secure")), (Some(cookie), is_secure), "{set}");
        assert_eq!(!entered.header("strict-transport-security").is_empty(), is_secure, "{entered}");
        let signed_in = browser.with("cookie", set.split(';').next().unwrap());
        assert_eq!(signed_in.get("/workers").await.status, 200);
        assert_eq!(signed_in.without("x-forwarded-proto").get("/workers").await.status == 200, !is_secure);
    }
}
