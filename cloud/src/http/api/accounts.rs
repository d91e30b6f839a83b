//! The caller's own account.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use pictor_cloud_api::accounts::{Account, AccountChange};
use pictor_cloud_domain::job::plan::check_name;

use super::etag::tagged;
use crate::http::guards::SignedIn;
use crate::http::present;
use crate::http::problem::{Answer, Error};
use crate::http::state::AppState;
use crate::store::AccountPatch;

/// Longest wallet address of any chain in use, with room.
const WALLET_CHARS_MAX: usize = 128;

/// Who am I.
#[utoipa::path(get, path = "/api/v1/account", operation_id = "get_account", tag = "account",
    responses((status = 200, body = Account)))]
pub async fn get_account(request: HttpRequest, caller: SignedIn) -> Answer<HttpResponse> {
    tagged(&request, &present::accounts::account(&caller.account))
}

/// Changes the name or the wallet address.
#[utoipa::path(patch, path = "/api/v1/account", operation_id = "change_account", tag = "account",
    request_body = AccountChange, responses((status = 200, body = Account)))]
pub async fn change_account(
    caller: SignedIn,
    state: Data<AppState>,
    change: Json<AccountChange>,
) -> Answer<Json<Account>> {
    let patch = patch_of(change.into_inner())?;
    let row = state.store.update_account(caller.id(), &patch, state.wall()).await?;
    Ok(Json(present::accounts::account(&row)))
}

/// A checked change; pages use it for their form.
///
/// # Errors
/// `invalid_input` with the field.
pub fn patch_of(change: AccountChange) -> Answer<AccountPatch> {
    let named = change.name.map(|name| check_name(&name));
    let name = named.transpose().map_err(|message| Error::field("name", message))?;
    let wallet_address = change.wallet_address.map(|address| wallet_of(&address)).transpose()?;
    Ok(AccountPatch { name, wallet_address, password_hash: None })
}

/// Empty text removes the address. Which chain it is of is not known yet, so only its form is checked.
fn wallet_of(address: &str) -> Answer<Option<String>> {
    let address = address.trim();
    if address.is_empty() {
        return Ok(None);
    }
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    if address.len() > WALLET_CHARS_MAX || !is_plain {
        let message = format!("use at most {WALLET_CHARS_MAX} letters and digits without blanks");
        return Err(Error::field("wallet_address", message));
    }
    Ok(Some(address.to_owned()))
}
