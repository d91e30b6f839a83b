//! Migrations: both databases end in the same columns, and a newer schema is refused.

use pictor_cloud::config::{DatabaseConfig, Secret};
use pictor_cloud::store::{Store, StoreError};
use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::engines::{Engine, postgres_columns};

#[tokio::test]
async fn both_databases_end_in_the_same_columns() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&DatabaseConfig::in_folder(folder.path())).await.unwrap().close().await;
    let lite = sqlite_columns(&mut raw_sqlite(folder.path()).await).await;
    let engine = Engine::postgres().await;
    let post = postgres_columns(&mut engine.raw_postgres().await).await;
    engine.end().await;
    assert!(lite.len() > 100, "{lite:#?}");
    assert_eq!(lite, post);
}

#[tokio::test]
async fn migrations_have_the_same_names_for_both() {
    let names = |database: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(database);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let lite = names("sqlite");
    assert_eq!(lite, names("postgres"));
    let is_named = |name: &String| {
        let (number, rest) = name.split_once('_').unwrap();
        number.len() == 14 && number.bytes().all(|digit| digit.is_ascii_digit()) && rest.ends_with(".sql")
    };
    assert!(lite.iter().all(is_named), "{lite:?}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::in_folder(folder.path());
    Store::open(&config).await.unwrap().close().await;
    let mut raw = raw_sqlite(folder.path()).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (29991231000001, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut raw).await.unwrap();
    let Err(StoreError::Unavailable(why)) = Store::open(&config).await else { panic!("it was opened") };
    let words = why.to_string();
    assert!(words.contains("29991231000001") && words.contains("newer version"), "{words}");
}

#[tokio::test]
async fn a_database_is_there_once_a_cloud_has_opened_it_and_looking_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::in_folder(folder.path());
    assert!(!Store::is_there(&config).await.unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    Store::open(&config).await.unwrap().close().await;
    assert!(Store::is_there(&config).await.unwrap());
    let engine = Engine::postgres().await;
    let config = DatabaseConfig { url: Secret::new(engine.url()), connections: 2 };
    assert!(Store::is_there(&config).await.unwrap());
    let empty = "ALTER TABLE _sqlx_migrations RENAME TO of_somebody_else";
    sqlx::raw_sql(empty).execute(&mut engine.raw_postgres().await).await.unwrap();
    assert!(!Store::is_there(&config).await.unwrap());
    engine.end().await;
    assert!(Store::is_there(&config).await.is_err(), "that database is gone");
}

#[tokio::test]
async fn settings_that_safety_rests_on_are_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&DatabaseConfig::in_folder(folder.path())).await.unwrap();
    store.probe().await.unwrap();
    let mut raw = raw_sqlite(folder.path()).await;
    let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&mut raw).await.unwrap().get(0);
    assert_eq!(mode, "wal");
}

async fn raw_sqlite(folder: &std::path::Path) -> SqliteConnection {
    let path = folder.join("pictor.db");
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

/// As `postgres_columns`.
async fn sqlite_columns(connection: &mut SqliteConnection) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT m.name, c.name, c.type, CASE c.\"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END
         FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let mut columns: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |index: usize| row.get::<String, _>(index);
            format!("{}.{} {} {}", text(0), text(1), text(2), text(3))
        })
        .collect();
    columns.sort();
    columns
}
