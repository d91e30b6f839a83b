//! Signing in and the first set-up, below the pages that show them.

use actix_web::test::TestRequest;
use pictor_actors::units::Millis;
use pictor_cloud::http::guards::session_cookie;
use pictor_cloud::http::sign_in::{Credentials, FirstAccount, set_up, set_up_is_open, sign_in};
use pictor_cloud::secrets::new_secret;
use pictor_cloud::store::Role;

use crate::harness::{PASSWORD, TestApp};

async fn tried(app: &TestApp, email: &str, password: &str) -> Result<String, String> {
    let request = TestRequest::default().to_http_request();
    let signed_in = sign_in(&app.state, &request, &Credentials { email, password }).await;
    signed_in
        .map(|(_, secret)| session_cookie(false, &secret).stripped().to_string())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let app = TestApp::start().await;
    let cookie = tried(&app, " Owner@Example.org ", PASSWORD).await.unwrap();
    let browser = app.nobody().with("cookie", cookie);
    assert_eq!(browser.get("/api/v1/account").await.value()["email"], "owner@example.org");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_read_the_same() {
    let app = TestApp::start().await;
    let wrong = tried(&app, "owner@example.org", "wrong horse battery").await.unwrap_err();
    let unknown = tried(&app, "nobody@example.org", "wrong horse battery").await.unwrap_err();
    assert_eq!(wrong, unknown);
    assert!(wrong.starts_with("wrong_credentials"), "{wrong}");
}

#[tokio::test]
async fn guessing_the_password_of_one_account_is_slow_from_everywhere() {
    let app = TestApp::start_with(|config| config.limits.sign_ins_per_minute = 2).await;
    for _ in 0..2 {
        assert!(tried(&app, "owner@example.org", "guess guess").await.unwrap_err().starts_with("wrong"));
    }
    let third = tried(&app, "OWNER@example.org", PASSWORD).await.unwrap_err();
    assert!(third.starts_with("rate_limited"), "{third}");
}

#[tokio::test]
async fn the_set_up_address_makes_one_account_with_every_role() {
    let app = TestApp::start_empty(|_| {}).await;
    let (token, hash) = new_secret("").unwrap();
    app.store.put_setup_token(&hash, app.now().plus(Millis::from_secs(60))).await.unwrap();
    assert!(set_up_is_open(&app.state, &token).await.unwrap());
    assert!(!set_up_is_open(&app.state, "guess").await.unwrap());
    let request = || TestRequest::default().to_http_request();
    let weak = FirstAccount { email: "no address", name: "", password: "short" };
    let refused = set_up(&app.state, &request(), &token, &weak).await.unwrap_err();
    let fields: Vec<_> = refused.wrong_fields().iter().map(|wrong| wrong.field.as_str()).collect();
    assert_eq!(fields, ["email", "name", "password"]);
    let first = FirstAccount { email: "Ada@Example.org", name: "Ada", password: PASSWORD };
    let (account, _) = set_up(&app.state, &request(), &token, &first).await.unwrap();
    assert_eq!((account.email.as_str(), account.roles), ("ada@example.org", Role::ALL.to_vec()));
    assert!(!set_up_is_open(&app.state, &token).await.unwrap());
    let again = FirstAccount { email: "eve@example.org", ..first };
    let refused = set_up(&app.state, &request(), &token, &again).await.unwrap_err();
    assert!(refused.to_string().starts_with("conflict"), "{refused}");
    assert_eq!(app.store.count_accounts().await.unwrap(), 1);
}
