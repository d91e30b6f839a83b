//! Uploads and blobs.

use pictor_actors::ids::{AccountId, UploadId};
use pictor_actors::units::BlobHash;
use pictor_cloud::store::{ConflictKind, NewFrame, NewJobRow, NewUploadRow, Store, StoreError, UploadState};
use pictor_cloud_api::uploads::UploadContent;

use crate::farm::{T0, account, at, frame, granted, hash, job_of, new_job, worker};

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
        let row = store.finish_upload(new.id, hash(7), 20, &content, (T0, at(90))).await.unwrap();
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

/// A complete upload of that blob, kept until `at(90)`.
async fn complete(store: &Store, account: AccountId, seed: u8) -> UploadId {
    let new = NewUploadRow {
        id: UploadId::generate(),
        account_id: account,
        file_name: "scene.blend".to_owned(),
        size: 20,
        part_size: 16,
        declared_hash: None,
        expires_at: at(60),
    };
    store.create_upload(&new, T0).await.unwrap();
    store.note_part(new.id, 0, 16).await.unwrap();
    store.finish_upload(new.id, hash(seed), 20, &UploadContent::default(), (T0, at(90))).await.unwrap();
    new.id
}

pub async fn a_complete_upload_that_no_job_uses_goes_in_time(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    let other = account(&store, "two@example.org").await.id;
    let (lonely, used) = (complete(&store, one, 1).await, complete(&store, one, 2).await);
    let (again, of_other) = (complete(&store, one, 3).await, complete(&store, other, 2).await);
    store.create_job(&NewJobRow { source_hash: hash(2), ..new_job(one, "film", 1) }, T0).await.unwrap();
    let touched = store.use_upload(one, hash(3), at(200)).await.unwrap().unwrap();
    assert_eq!((touched.id, touched.expires_at), (again, at(200)));
    let earlier = store.use_upload(one, hash(3), at(150)).await.unwrap().unwrap();
    assert_eq!(earlier.expires_at, at(200), "never sooner");
    assert_eq!(store.use_upload(other, hash(3), at(200)).await.unwrap(), None, "it is another's");

    assert_eq!(store.drop_unused_uploads(at(89), 10).await.unwrap(), 0);
    assert_eq!(store.drop_unused_uploads(at(90), 1).await.unwrap(), 1, "a few at a time");
    assert_eq!(store.drop_unused_uploads(at(90), 10).await.unwrap(), 1);
    assert_eq!(store.drop_unused_uploads(at(90), 10).await.unwrap(), 0);
    for (account, id) in [(one, lonely), (other, of_other)] {
        assert!(matches!(store.upload(account, id).await, Err(StoreError::NotFound)));
        assert_eq!(store.upload_parts(id).await.unwrap(), []);
    }
    assert!(store.upload(one, used).await.is_ok(), "a job of its account names its blob");
    assert!(store.upload(one, again).await.is_ok());
    assert_eq!(store.drop_unused_uploads(at(300), 10).await.unwrap(), 1);
    assert!(store.upload(one, used).await.is_ok(), "as long as there is the job");
    assert_eq!(store.use_upload(one, hash(3), at(400)).await.unwrap(), None);
    let unused = store.unused_blobs(1, at(300)).await.unwrap();
    assert_eq!(unused, [hash(1)], "its bytes can go");
}

/// Drops what is unused in all shards, as the sweep does; what was dropped, ascending.
async fn dropped(store: &Store) -> Vec<BlobHash> {
    let mut all = Vec::new();
    for shard in 0..=u8::MAX {
        let unused = store.unused_blobs(shard, at(100)).await.unwrap();
        all.extend(store.drop_unused_blobs(&unused, at(100)).await.unwrap());
    }
    all
}

pub async fn only_blobs_that_nothing_refers_to_are_dropped(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    for seed in 1..=20 {
        store.put_blob(hash(seed), 5, Some(one), T0).await.unwrap();
    }
    let new = NewJobRow { source_hash: hash(1), inputs_hash: Some(hash(2)), ..new_job(one, "film", 2) };
    let (_, tasks) = job_of(&store, &new, 2).await;
    let lease = granted(&store, &tasks[0], worker(&store, one, "rig").await.id).await;
    store.store_frame(&NewFrame { hash: hash(3), ..frame(&lease, 1) }, T0).await.unwrap();
    let upload = NewUploadRow {
        id: UploadId::generate(),
        account_id: one,
        file_name: "scene.zip".to_owned(),
        size: 20,
        part_size: 16,
        declared_hash: None,
        expires_at: at(60),
    };
    store.create_upload(&upload, T0).await.unwrap();
    let content = UploadContent { files_blake3: Some(hash(5).to_string()), ..UploadContent::default() };
    store.finish_upload(upload.id, hash(4), 20, &content, (T0, at(90))).await.unwrap();
    // The lists of the upload's and of the job's files, and one of a job that was never made.
    store.put_manifest(hash(5), 9, &[hash(6), hash(7), hash(6)], Some(one), T0).await.unwrap();
    store.put_manifest(hash(2), 9, &[hash(7)], Some(one), T0).await.unwrap();
    store.put_manifest(hash(9), 9, &[hash(7), hash(8)], Some(one), T0).await.unwrap();
    store.put_blob(hash(10), 5, None, at(100)).await.unwrap();
    store.put_blob(hash(255), 5, None, T0).await.unwrap();
    let seeds = [9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 255];
    let first = seeds.map(hash);
    assert_eq!(dropped(&store).await, first);
    assert_eq!(dropped(&store).await, [hash(8)], "its manifest is gone by now");
    assert!(dropped(&store).await.is_empty());
    for seed in [1, 2, 3, 4, 5, 6, 7, 10] {
        assert!(store.blob(hash(seed)).await.unwrap().is_some(), "{seed}");
    }
    assert!(!store.account_owns_blob(one, hash(9)).await.unwrap());
    assert_eq!(store.blobs_of_shard(3).await.unwrap(), [hash(3)]);
}

pub async fn a_blob_that_is_brought_again_is_not_dropped(store: Store) {
    let one = account(&store, "one@example.org").await.id;
    store.put_blob(hash(1), 5, Some(one), T0).await.unwrap();
    let unused = store.unused_blobs(1, at(100)).await.unwrap();
    assert_eq!(unused, [hash(1)]);
    store.put_blob(hash(1), 5, Some(one), at(200)).await.unwrap();
    assert!(store.drop_unused_blobs(&unused, at(100)).await.unwrap().is_empty());
    assert!(store.account_owns_blob(one, hash(1)).await.unwrap());
    // Many bring it and name it in a job while it is dropped over and over.
    for round in 0..10_u8 {
        let seed = 100 + round;
        store.put_blob(hash(seed), 5, Some(one), T0).await.unwrap();
        let naming = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store.put_blob(hash(seed), 5, Some(one), at(300)).await.unwrap();
                let new = NewJobRow { source_hash: hash(seed), ..new_job(one, "film", 1) };
                store.create_job(&new, at(300)).await.unwrap();
            })
        });
        let dropping = (0..4).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { drop(store.drop_unused_blobs(&[hash(seed)], at(100)).await) })
        });
        for task in naming.chain(dropping).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(store.blob(hash(seed)).await.unwrap().is_some(), "a job names it");
        assert!(store.account_owns_blob(one, hash(seed)).await.unwrap());
    }
}

pub async fn a_removal_is_noted_until_it_is_forgotten(store: Store) {
    assert!(!store.is_being_removed(hash(1)).await.unwrap());
    for (seed, copy, minute) in [(1, "b", 5), (1, "a", 5), (2, "c", 1), (3, "d", 9)] {
        store.note_removal(hash(seed), copy, at(minute)).await.unwrap();
    }
    assert!(store.is_being_removed(hash(1)).await.unwrap());
    let due = async |before| {
        let rows = store.removals(before, None).await.unwrap();
        rows.into_iter().map(|row| (row.copy, row.stored_at)).collect::<Vec<_>>()
    };
    assert_eq!(due(at(1)).await, [], "young, and nobody has stored one of them since");
    assert_eq!(due(at(2)).await, [("c".to_owned(), None)]);
    store.put_blob(hash(1), 4, None, at(7)).await.unwrap();
    let mut of_stored = vec![("a".to_owned(), Some(at(7))), ("b".to_owned(), Some(at(7)))];
    of_stored.sort();
    let mut found = due(at(1)).await;
    found.sort();
    assert_eq!(found, of_stored);
    let all = store.removals(at(60), None).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(store.removals(at(60), Some(&all[1])).await.unwrap(), all[2..], "in pages");
    for _ in 0..2 {
        store.forget_removal(hash(1), "a").await.unwrap();
    }
    assert!(store.is_being_removed(hash(1)).await.unwrap(), "another removal of it is");
    store.forget_removal(hash(1), "b").await.unwrap();
    assert!(!store.is_being_removed(hash(1)).await.unwrap());
}
