//! Uploads and blobs.

use pictor_actors::ids::UploadId;
use pictor_cloud::store::{ConflictKind, NewUploadRow, Store, StoreError, UploadState};
use pictor_cloud_api::uploads::UploadContent;

use crate::farm::{T0, account, at, hash};

pub async fn an_upload_goes_from_open_to_complete(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let other = account(&store, "two@example.org").await.id;
    let new = NewUploadRow {
        id: UploadId::generate(),
        account_id: one,
        file_name: "scene.blend".to_owned(),
        size: 20,
        part_size: 16,
        declared_hash: None,
        expires_at: at(60),
    };
    store.create_upload(&new, T0).await.unwrap();
    assert!(matches!(store.upload(other, new.id).await, Err(StoreError::NotFound)));
    store.note_part(new.id, 1, 4).await.unwrap();
    store.note_part(new.id, 0, 15).await.unwrap();
    store.note_part(new.id, 0, 16).await.unwrap();
    let parts = store.upload_parts(new.id).await.unwrap();
    assert_eq!(parts.iter().map(|part| (part.part, part.size)).collect::<Vec<_>>(), [(0, 16), (1, 4)]);
    assert_eq!(store.expired_uploads(at(60), 10).await.unwrap().len(), 1);
    store.set_upload_state(new.id, UploadState::Open, UploadState::Completing).await.unwrap();
    let twice = store.set_upload_state(new.id, UploadState::Open, UploadState::Completing).await;
    assert!(matches!(twice, Err(StoreError::Conflict(ConflictKind::State))));
    assert!(matches!(store.note_part(new.id, 0, 1).await, Err(StoreError::Conflict(ConflictKind::State))));
    let content = UploadContent { file_count: 1, ..UploadContent::default() };
    for _ in 0..2 {
        let row = store.finish_upload(new.id, hash(7), 20, &content, T0).await.unwrap();
        assert_eq!((row.state, row.blob_hash), (UploadState::Complete, Some(hash(7))));
    }
    assert!(store.expired_uploads(at(60), 10).await.unwrap().is_empty());
    assert_eq!(store.upload_content(one, hash(7)).await.unwrap().unwrap().content, Some(content));
    assert_eq!(store.upload_content(other, hash(7)).await.unwrap(), None);
    store.delete_upload(new.id).await.unwrap();
    assert!(matches!(store.upload(one, new.id).await, Err(StoreError::NotFound)));
    assert!(store.blob(hash(7)).await.unwrap().is_some(), "the blob stays");
}

pub async fn blobs_belong_to_who_brought_them(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let other = account(&store, "two@example.org").await.id;
    assert_eq!(store.blob(hash(3)).await.unwrap(), None);
    store.put_blob(hash(3), 5, None, T0).await.unwrap();
    store.put_blob(hash(3), 5, Some(one), at(1)).await.unwrap();
    store.put_blob(hash(3), 5, Some(one), at(2)).await.unwrap();
    let blob = store.blob(hash(3)).await.unwrap().unwrap();
    assert_eq!((blob.size, blob.created_at), (5, T0));
    assert!(store.account_owns_blob(one, hash(3)).await.unwrap());
    assert!(!store.account_owns_blob(other, hash(3)).await.unwrap());
}
