//! What the API says about itself. The committed snapshot is `cloud/tests/api/openapi.json`.

use utoipa::OpenApi;

use super::{accounts, sessions, tokens};

/// The description; every `/api/v1` route of the table stands here (a test compares).
#[derive(OpenApi)]
#[openapi(
    info(title = "Pictor", description = "The render farm\u{2019}s HTTP API"),
    paths(
        accounts::get_account,
        accounts::change_account,
        sessions::list_sessions,
        sessions::end_session,
        tokens::list_tokens,
        tokens::create_token,
        tokens::revoke_token,
    ),
    components(schemas(pictor_cloud_api::problem::Problem))
)]
pub struct Description;
