//! A database for one test.

use std::str::FromStr as _;

use pictor_actors::ids::UploadId;
use pictor_cloud::config::{DatabaseConfig, Secret};
use pictor_cloud::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};

pub struct Engine {
    pub store: Store,
    postgres: Option<(String, String)>,
    /// Of SQLite's file.
    folder: Option<tempfile::TempDir>,
}

impl Engine {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&DatabaseConfig::in_folder(folder.path())).await.unwrap();
        Self { store, postgres: None, folder: Some(folder) }
    }

    pub async fn postgres() -> Self {
        let server = postgres_server();
        let name = format!("test_{}", UploadId::generate());
        let mut connection = PgConnection::connect(&server).await.expect("PICTOR_TEST_POSTGRES answers");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
        let store = Store::open(&database(&server, &name)).await.unwrap();
        Self { store, postgres: Some((server, name)), folder: None }
    }

    /// Where its database is.
    pub fn config(&self) -> DatabaseConfig {
        match (&self.postgres, &self.folder) {
            (Some((server, name)), _) => database(server, name),
            (None, folder) => DatabaseConfig::in_folder(folder.as_ref().unwrap().path()),
        }
    }

    /// Runs statements past the store, without the constraints that the database would hold them to.
    pub async fn tamper(&self, statements: &str) {
        let text = sqlx::AssertSqlSafe(statements.to_owned());
        if self.postgres.is_some() {
            let mut raw = self.raw_postgres().await;
            sqlx::raw_sql("SET session_replication_role = replica").execute(&mut raw).await.unwrap();
            sqlx::raw_sql(text).execute(&mut raw).await.unwrap();
            raw.close().await.unwrap();
        } else {
            let options = SqliteConnectOptions::from_str(self.config().url.expose()).unwrap();
            let mut raw =
                options.foreign_keys(false).pragma("ignore_check_constraints", "ON").connect().await.unwrap();
            sqlx::raw_sql(text).execute(&mut raw).await.unwrap();
            raw.close().await.unwrap();
        }
    }

    /// Where its PostgreSQL database is.
    pub fn url(&self) -> String {
        let (server, name) = self.postgres.as_ref().unwrap();
        database(server, name).url.expose().to_owned()
    }

    pub async fn end(self) {
        self.store.close().await;
        if let Some((server, name)) = self.postgres {
            let mut connection = PgConnection::connect(&server).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }

    /// A connection past the store, to the same PostgreSQL database.
    pub async fn raw_postgres(&self) -> PgConnection {
        let (server, name) = self.postgres.as_ref().unwrap();
        PgConnection::connect(database(server, name).url.expose()).await.unwrap()
    }
}

fn postgres_server() -> String {
    std::env::var("PICTOR_TEST_POSTGRES")
        .expect("PICTOR_TEST_POSTGRES is not set: `cargo ci test` starts a PostgreSQL and sets it")
}

fn database(server: &str, name: &str) -> DatabaseConfig {
    let mut url = url::Url::parse(server).expect("PICTOR_TEST_POSTGRES is an address");
    url.set_path(name);
    DatabaseConfig { url: Secret::new(url.to_string()), connections: 8 }
}

/// `table.column type nullable` of every column, ascending; types in the words of SQLite.
pub async fn postgres_columns(connection: &mut PgConnection) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT table_name::text, column_name::text, upper(data_type), is_nullable::text
         FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
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
