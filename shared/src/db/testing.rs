//! A database per test, copied from a migrated template (stack.md section c).
//!
//! This crate does not know the migrations, so that nothing but the migrations crate depends on refinery: their fingerprint and the
//! function that applies them come from the caller.

use std::error::Error;
use std::future::Future;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::id::EventId;

/// Where the tests find a server they may make databases on; `cargo xtask test` sets it.
pub const DATABASE_URL_VARIABLE: &str = "AJET_TEST_DATABASE_URL";
/// Key of the advisory lock under which the template is made: "ajettmpl" in ASCII.
const LOCK_KEY: i64 = 0x616a_6574_746d_706c;

/// What can go wrong in a test's set-up.
pub type TestError = Box<dyn Error + Send + Sync>;

/// A database of one test's own; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// Its address.
    pub url: String,
    server: String,
    name: String,
}

impl TestDatabase {
    /// A fresh copy of the template, which the first caller makes with `apply`.
    pub async fn migrated<F, E>(
        fingerprint: &str,
        apply: impl FnOnce(String) -> F,
    ) -> Result<Self, TestError>
    where
        F: Future<Output = Result<usize, E>>,
        E: Into<TestError>,
    {
        let server = server()?;
        let template = format!("ajet_template_{fingerprint}");
        let mut admin = PgConnection::connect(&server).await?;
        // One at a time, over all test processes: who waits here finds the template made.
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK_KEY).execute(&mut admin).await?;
        let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(&template)
            .fetch_optional(&mut admin)
            .await?;
        if known.is_none() {
            // Made under another name first: a template that exists is complete, and nobody was ever connected to it.
            let unfinished = format!("{template}_unfinished");
            execute(&mut admin, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)"))
                .await?;
            execute(&mut admin, format!("CREATE DATABASE {unfinished}")).await?;
            apply(with_database(&server, &unfinished)).await.map_err(Into::into)?;
            execute(&mut admin, format!("ALTER DATABASE {unfinished} RENAME TO {template}"))
                .await?;
        }
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK_KEY).execute(&mut admin).await?;
        let name = new_name();
        execute(
            &mut admin,
            format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"),
        )
        .await?;
        admin.close().await?;
        Ok(Self { url: with_database(&server, &name), server, name })
    }

    /// A database with nothing in it.
    pub async fn empty() -> Result<Self, TestError> {
        let server = server()?;
        let mut admin = PgConnection::connect(&server).await?;
        let name = new_name();
        execute(&mut admin, format!("CREATE DATABASE {name}")).await?;
        admin.close().await?;
        Ok(Self { url: with_database(&server, &name), server, name })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own, because a test's runtime may be gone or busy with this very drop.
        let dropped = std::thread::spawn(move || -> Result<(), TestError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut admin = PgConnection::connect(&server).await?;
                execute(&mut admin, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
            })
        });
        // The cluster is thrown away after the run anyway; a failure here must not hide the test's own.
        drop(dropped.join());
    }
}

fn server() -> Result<String, TestError> {
    std::env::var(DATABASE_URL_VARIABLE).map_err(|_| {
        format!(
            "{DATABASE_URL_VARIABLE} is not set; run the tests by `cargo xtask test integration`"
        )
        .into()
    })
}

fn new_name() -> String {
    format!("ajet_test_{}", EventId::new().uuid().simple())
}

async fn execute(conn: &mut PgConnection, sql: String) -> Result<(), TestError> {
    conn.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// The same server, another database: the last part of the path is replaced.
fn with_database(server: &str, name: &str) -> String {
    match url::Url::parse(server) {
        Ok(mut url) => {
            url.set_path(name);
            url.to_string()
        }
        Err(_) => server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_of_an_address_changes() {
        let url = with_database("postgres://ajet@127.0.0.1:5432/postgres?sslmode=disable", "t1");
        assert_eq!(url, "postgres://ajet@127.0.0.1:5432/t1?sslmode=disable");
    }
}
