//! A database for one test.

use pictor_actors::ids::UploadId;
use pictor_cloud::config::{DatabaseConfig, Secret};
use pictor_cloud::store::Store;
use sqlx::{Connection as _, PgConnection, Row as _};

pub struct Engine {
    pub store: Store,
    postgres: Option<(String, String)>,
}

impl Engine {
    pub async fn sqlite() -> Self {
        Self { store: Store::for_testing().await, postgres: None }
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
        Self { store, postgres: Some((server, name)) }
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
