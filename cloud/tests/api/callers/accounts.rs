//! Account, sessions, tokens.

use pictor_actors::units::Millis;
use pictor_cloud::store::Role;
use serde_json::json;

use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn account_is_shown_and_changed() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let account = browser.get("/api/v1/account").await;
    assert_eq!(account.status, 200, "{account}");
    assert_eq!(account.value()["email"], "owner@example.org");
    assert_eq!(account.value()["roles"], json!(["provider", "creator", "operator", "release_manager"]));
    let changed =
        browser.patch("/api/v1/account", &json!({"name": " Ada ", "wallet_address": "0xAbC123"})).await;
    assert_eq!(changed.status, 200, "{changed}");
    let again = browser.get("/api/v1/account").await.value();
    assert_eq!((&again["name"], &again["wallet_address"]), (&json!("Ada"), &json!("0xAbC123")));
    let removed = browser.patch("/api/v1/account", &json!({"wallet_address": ""})).await;
    assert_eq!(removed.value()["wallet_address"], json!(null));
    let wrong = browser.patch("/api/v1/account", &json!({"wallet_address": "two words"})).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (422, "invalid_input"), "{wrong}");
    assert_eq!(wrong.value()["fields"][0]["field"], "wallet_address");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = TestApp::start().await;
    let (one, other) = (app.sign_in().await, app.sign_in().await);
    let listed = one.get("/api/v1/sessions").await.value();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let of_other = items.iter().find(|session| session["is_current"] == false).unwrap();
    let ended = one.delete(&format!("/api/v1/sessions/{}", of_other["id"].as_str().unwrap())).await;
    assert_eq!(ended.status, 204, "{ended}");
    assert_eq!(other.get("/api/v1/account").await.status, 401);
    assert_eq!(one.get("/api/v1/account").await.status, 200);
}

#[tokio::test]
async fn a_new_password_signs_other_browsers_out() {
    let app = TestApp::start().await;
    let (present, other) = (app.sign_in().await, app.sign_in().await);
    let fields = [("password", PASSWORD), ("new_password", "another correct horse")];
    let changed = present.form("/account/password", &fields).await;
    assert_eq!((changed.status, changed.header("location")), (303, "/account?done=password"), "{changed}");
    assert_eq!(other.get("/api/v1/account").await.status, 401);
    assert_eq!(present.get("/api/v1/account").await.status, 200);
}

#[tokio::test]
async fn a_used_session_lives_on_and_an_unused_one_ends() {
    let app = TestApp::start().await;
    let used = app.sign_in().await;
    let unused = app.sign_in().await;
    for _ in 0..4 {
        app.clock.advance(Millis::from_secs(20 * 3600));
        assert_eq!(used.get("/api/v1/account").await.status, 200);
    }
    assert_eq!(unused.get("/api/v1/account").await.status, 401);
}

#[tokio::test]
async fn a_token_is_shown_once_and_can_be_revoked() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    let made = browser.post("/api/v1/tokens", &json!({"name": "ci", "scopes": ["jobs"], "days": null})).await;
    assert_eq!(made.status, 201, "{made}");
    let secret = made.value()["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("pct_"), "{secret}");
    let program = app.nobody().with("authorization", format!("Bearer {secret}"));
    assert_eq!(program.get("/api/v1/jobs").await.status, 200);
    let refused = program.get("/api/v1/workers").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"), "{refused}");
    let listed = browser.get("/api/v1/tokens").await;
    assert!(!listed.text().contains(&secret), "{listed}");
    let id = made.value()["token"]["id"].as_str().unwrap().to_owned();
    assert_eq!(browser.delete(&format!("/api/v1/tokens/{id}")).await.status, 204);
    assert_eq!(program.get("/api/v1/jobs").await.status, 401);
}

#[tokio::test]
async fn a_token_cannot_make_tokens() {
    let app = TestApp::start().await;
    let program = app.token("all").await;
    let refused = program.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["all"]})).await;
    assert_eq!(refused.status, 401, "{refused}");
}

#[tokio::test]
async fn wrong_tokens_are_told_which_field() {
    let app = TestApp::start().await;
    let browser = app.sign_in().await;
    for (body, field) in [
        (json!({"name": "", "scopes": ["all"]}), "name"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": ["root"]}), "scopes"),
        (json!({"name": "x", "scopes": ["all"], "days": 0}), "days"),
    ] {
        let refused = browser.post("/api/v1/tokens", &body).await;
        assert_eq!(refused.status, 422, "{refused}");
        assert_eq!(refused.value()["fields"][0]["field"], field, "{refused}");
    }
}

#[tokio::test]
async fn a_role_is_needed_to_write_not_to_read() {
    let app = TestApp::start().await;
    let creator = app.account("creator", &[Role::Creator]).await;
    let browser = app.sign_in_as(&creator).await;
    assert_eq!(browser.get("/api/v1/workers").await.status, 200);
    let refused = browser.post("/api/v1/workers", &json!({"name": "rig"})).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "not_allowed"), "{refused}");
}
