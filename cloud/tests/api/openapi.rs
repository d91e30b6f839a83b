//! The API's description is committed, and complete.
//!
//! To accept a change: `PICTOR_ACCEPT=1 cargo nextest run -p pictor-cloud --test api openapi`.

use std::collections::BTreeSet;
use std::path::Path;

use pictor_cloud::http::api::openapi::description;
use pictor_cloud::http::routes::ROUTES;

use crate::harness::TestApp;

#[test]
fn the_committed_description_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/openapi.json");
    let now = description().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("PICTOR_ACCEPT").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == now, "the API changed: look at the difference, then accept it as this file says");
}

#[test]
fn every_api_route_is_described_and_nothing_else() {
    let value = serde_json::to_value(description()).unwrap();
    let described: BTreeSet<String> = value["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let routed: BTreeSet<String> = ROUTES
        .iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        // The description itself and the workers' socket are no resources.
        .filter(|route| !matches!(route.path, "/api/v1/openapi.json" | "/api/v1/link"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described, routed);
}

#[tokio::test]
async fn the_description_and_its_page_are_served_from_here() {
    let app = TestApp::start().await;
    let document = app.nobody().get("/api/v1/openapi.json").await;
    assert!(document.value()["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    assert_eq!(app.nobody().get("/api/docs").await.status, 303);
    let page = app.nobody().get("/api/docs/").await;
    assert_eq!(page.status, 200, "{page}");
    assert!(!page.header("content-security-policy").contains("unsafe-inline"), "{page}");
    assert!(!page.text().contains("https://"), "nothing from elsewhere: {page}");
    let setup = app.nobody().get("/api/docs/swagger-initializer.js").await;
    assert!(setup.text().contains("/api/v1/openapi.json"), "{setup}");
    assert_eq!(app.nobody().get("/api/docs/../../etc/passwd").await.status, 404);
}
