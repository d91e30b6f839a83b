//! Accounts, what proves them, and idempotency keys.

use pictor_actors::ids::{AccountId, SessionId, TokenId};
use pictor_cloud::store::{
    AccountPatch, Begin, ConflictKind, Cursor, PageRequest, Role, SessionRow, Store, StoreError, TokenRow,
};

use crate::farm::{T0, account, at, new_account};

pub async fn an_address_is_taken_in_whatever_case(store: Store) {
    let one = account(&store, "One@Example.org").await;
    assert_eq!(one.email, "one@example.org");
    assert_eq!(one.roles, vec![Role::Provider, Role::Creator]);
    let again = store.create_account(&new_account("ONE@example.org"), T0).await;
    assert!(matches!(again, Err(StoreError::Conflict(ConflictKind::EmailTaken))), "{again:?}");
    assert_eq!(store.count_accounts().await.unwrap(), 1);
    assert_eq!(store.account_by_email(" oNe@example.ORG ").await.unwrap(), Some(one.clone()));
    assert_eq!(store.account(one.id).await.unwrap(), one);
    assert!(matches!(store.account(new_account("x").id).await, Err(StoreError::NotFound)));
}

pub async fn a_patch_changes_only_what_it_names(store: Store) {
    let one = account(&store, "one@example.org").await;
    let wallet = AccountPatch { wallet_address: Some(Some("0xabc".to_owned())), ..AccountPatch::default() };
    let changed = store.update_account(one.id, &wallet, T0).await.unwrap();
    assert_eq!(changed.wallet_address.as_deref(), Some("0xabc"));
    let name = AccountPatch { name: Some("Ada".to_owned()), ..AccountPatch::default() };
    let changed = store.update_account(one.id, &name, T0).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.wallet_address.as_deref()), ("Ada", Some("0xabc")));
    let none = AccountPatch { wallet_address: Some(None), ..AccountPatch::default() };
    assert_eq!(store.update_account(one.id, &none, T0).await.unwrap().wallet_address, None);
}

pub async fn the_set_up_address_works_once(store: Store) {
    store.put_setup_token("older", at(60)).await.unwrap();
    store.put_setup_token("newer", at(60)).await.unwrap();
    assert!(!store.setup_token_is_good("older", T0).await.unwrap());
    assert!(store.setup_token_is_good("newer", T0).await.unwrap());
    assert!(!store.setup_token_is_good("newer", at(60)).await.unwrap());
    let late = store.use_setup_token("newer", &new_account("a@b.c"), at(60)).await;
    assert!(matches!(late, Err(StoreError::Conflict(ConflictKind::SetUpOver))));
    store.use_setup_token("newer", &new_account("a@b.c"), at(59)).await.unwrap();
    let again = store.use_setup_token("newer", &new_account("d@e.f"), at(59)).await;
    assert!(matches!(again, Err(StoreError::Conflict(ConflictKind::SetUpOver))));
}

pub async fn the_set_up_address_ends_with_the_first_account(store: Store) {
    store.put_setup_token("secret", at(60)).await.unwrap();
    account(&store, "one@example.org").await;
    assert!(!store.setup_token_is_good("secret", T0).await.unwrap());
    let late = store.use_setup_token("secret", &new_account("a@b.c"), T0).await;
    assert!(matches!(late, Err(StoreError::Conflict(ConflictKind::SetUpOver))));
}

pub async fn of_many_first_accounts_one_is_made(store: Store) {
    store.put_setup_token("secret", at(60)).await.unwrap();
    let tries = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(
            async move { store.use_setup_token("secret", &new_account(&format!("a{n}@b.c")), T0).await },
        )
    });
    let made =
        futures_util::future::join_all(tries).await.into_iter().filter(|one| one.as_ref().unwrap().is_ok());
    assert_eq!(made.count(), 1);
    assert_eq!(store.count_accounts().await.unwrap(), 1);
}

pub async fn sessions_and_tokens_end_when_they_should(store: Store) {
    let one = account(&store, "one@example.org").await;
    let other = account(&store, "two@example.org").await;
    let session = SessionRow {
        id: SessionId::generate(),
        account_id: one.id,
        secret_hash: "s1".to_owned(),
        user_agent: "browser".to_owned(),
        created_at: T0,
        last_used_at: T0,
        expires_at: at(100),
    };
    store.create_session(&session).await.unwrap();
    let found = store.session_by_secret("s1", at(99)).await.unwrap().unwrap();
    assert_eq!(found, (session.clone(), one.clone()));
    assert_eq!(store.session_by_secret("s1", at(100)).await.unwrap(), None);
    store.touch_session(session.id, at(100), at(30)).await.unwrap();
    assert_eq!(store.list_sessions(one.id).await.unwrap()[0].last_used_at, T0, "not within a minute");
    store.touch_session(session.id, at(100), at(61)).await.unwrap();
    assert_eq!(store.list_sessions(one.id).await.unwrap()[0].last_used_at, at(61));
    assert!(matches!(store.end_session(other.id, session.id).await, Err(StoreError::NotFound)));
    store.end_session(one.id, session.id).await.unwrap();
    assert_eq!(store.session_by_secret("s1", T0).await.unwrap(), None);

    let token = TokenRow {
        id: TokenId::generate(),
        account_id: one.id,
        name: "script".to_owned(),
        secret_hash: "t1".to_owned(),
        scopes: "jobs,read".to_owned(),
        created_at: T0,
        last_used_at: None,
        expires_at: Some(at(50)),
        revoked_at: None,
    };
    store.create_token(&token).await.unwrap();
    assert_eq!(store.token_by_secret("t1", at(49)).await.unwrap().unwrap().0, token);
    assert_eq!(store.token_by_secret("t1", at(50)).await.unwrap(), None);
    store.touch_token(token.id, at(5)).await.unwrap();
    assert_eq!(store.list_tokens(one.id).await.unwrap()[0].last_used_at, Some(at(5)));
    assert!(matches!(store.revoke_token(other.id, token.id, at(6)).await, Err(StoreError::NotFound)));
    store.revoke_token(one.id, token.id, at(6)).await.unwrap();
    assert_eq!(store.token_by_secret("t1", at(7)).await.unwrap(), None);
    assert!(store.list_tokens(one.id).await.unwrap().is_empty());
}

pub async fn a_new_password_ends_the_other_sessions_with_it(store: Store) {
    let (one, other) = (account(&store, "one@example.org").await, account(&store, "two@example.org").await);
    let session = async |of: AccountId, secret: &str| -> SessionId {
        let row = SessionRow {
            id: SessionId::generate(),
            account_id: of,
            secret_hash: secret.to_owned(),
            user_agent: String::new(),
            created_at: T0,
            last_used_at: T0,
            expires_at: at(600),
        };
        store.create_session(&row).await.unwrap();
        row.id
    };
    let present = session(one.id, "present").await;
    session(one.id, "stolen").await;
    session(other.id, "strangers").await;
    let unknown = store.change_password(AccountId::generate(), "new", None).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
    assert_eq!(store.change_password(one.id, "new", Some(present)).await.unwrap(), 1);
    assert_eq!(store.account(one.id).await.unwrap().password_hash.as_deref(), Some("new"));
    let is_live = async |secret: &str| store.session_by_secret(secret, at(1)).await.unwrap().is_some();
    assert!(is_live("present").await && is_live("strangers").await && !is_live("stolen").await);
    assert_eq!(store.change_password(one.id, "newer", None).await.unwrap(), 1);
    assert!(!is_live("present").await);
}

pub async fn accounts_come_in_pages(store: Store) {
    for n in 0..5 {
        account(&store, &format!("a{n}@example.org")).await;
    }
    let mut page = PageRequest::first(2);
    let mut seen = vec![];
    loop {
        let found = store.list_accounts(&page).await.unwrap();
        assert!(found.rows.len() <= 2);
        seen.extend(found.rows.into_iter().map(|row| row.email));
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(seen, (0..5).map(|n| format!("a{n}@example.org")).collect::<Vec<_>>());
    let foreign = PageRequest { limit: 2, cursor: Some(Cursor::from_text("garbage")) };
    let refused = store.list_accounts(&foreign).await;
    assert!(matches!(refused, Err(StoreError::Conflict(ConflictKind::BadCursor))));
}

pub async fn an_idempotency_key_has_one_effect(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    assert_eq!(store.idempotency_begin(one, "k", "h", T0).await.unwrap(), Begin::New);
    assert_eq!(store.idempotency_begin(one, "k", "h", at(1)).await.unwrap(), Begin::InFlight);
    assert_eq!(store.idempotency_begin(one, "k", "other", at(1)).await.unwrap(), Begin::Mismatch);
    assert_eq!(store.idempotency_begin(one, "k", "h", at(61)).await.unwrap(), Begin::New, "given up");
    store.idempotency_end(one, "k", Some((201, "{}")), at(61)).await.unwrap();
    let replay = Begin::Replay { status: 201, body: "{}".to_owned() };
    assert_eq!(store.idempotency_begin(one, "k", "h", at(62)).await.unwrap(), replay);
    assert_eq!(store.idempotency_begin(one, "k2", "h", T0).await.unwrap(), Begin::New);
    store.idempotency_end(one, "k2", None, T0).await.unwrap();
    assert_eq!(store.idempotency_begin(one, "k2", "h", T0).await.unwrap(), Begin::New, "freed");
    assert_eq!(store.drop_idempotency_keys(at(1), 10).await.unwrap(), 1);
    assert_eq!(store.idempotency_begin(one, "k", "h", at(63)).await.unwrap(), replay);
}
