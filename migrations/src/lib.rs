//! The database schema and the one function that applies it.
//!
//! Migrations are the files `sql/V0001__what.sql`, embedded at build time and only ever added to: refinery refuses to
//! start over a database whose applied files have been edited. [`apply`] is safe to call from any number of replicas
//! at once.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

mod embedded {
    refinery::embed_migrations!("sql");
}

/// Key of the advisory lock under which migrations run: "ajetmigr" in ASCII.
const LOCK_KEY: i64 = 0x616a_6574_6d69_6772;

/// How long a migration waits for a lock on a table. Whoever comes after it waits behind it, so this is how long requests may be held up:
/// shorter than a post waits for its turn, so that none fails (delivery-and-security.md F37).
const LOCK_TIMEOUT: &str = "SET lock_timeout = '500ms'";
/// How long the others go first then.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or refused a statement.
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// A migration failed, or an applied one has been edited since.
    #[error("migration: {0}")]
    Migration(#[from] refinery::Error),
}

/// Brings the database at `database_url` up to date and returns how many migrations that took.
///
/// Runs under a session-level advisory lock: of several replicas that start at the same time one does the work, the
/// others wait for it and find nothing to do. The lock goes away with the connection, also after a crash. A migration that
/// has to wait for others' locks gives up soon, lets them pass, and tries again.
pub async fn apply(database_url: &str) -> Result<usize, Error> {
    let (mut client, connection) = tokio_postgres::connect(database_url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let applied = apply_locked(&mut client).await;
    // Dropping the client ends the connection task; waiting for it means that nobody is connected any more when this
    // returns, which the template databases of the tests rely on.
    drop(client);
    if let Ok(Err(error)) = driver.await {
        tracing::debug!(%error, "migration connection ended badly");
    }
    applied
}

async fn apply_locked(client: &mut Client) -> Result<usize, Error> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_KEY]).await?;
    client.batch_execute(LOCK_TIMEOUT).await?;
    let report = loop {
        match embedded::migrations::runner().run_async(client).await {
            Err(error) if waited_in_vain(&error) => {
                tracing::warn!("a migration stands back: its table is locked");
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            report => break report?,
        }
    };
    let applied = report.applied_migrations();
    for migration in applied {
        tracing::info!(migration = %migration, "applied");
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK_KEY]).await?;
    Ok(applied.len())
}

/// The migration was undone because it could not lock its table in time.
fn waited_in_vain(error: &refinery::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
            return error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        }
        cause = error.source();
    }
    false
}

/// Number of the newest migration: the schema version this build needs.
#[must_use]
pub fn latest() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// A short name that changes whenever a migration does; names the template database of the tests.
#[must_use]
pub fn fingerprint() -> String {
    let mixed = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .fold(0_u64, |mixed, migration| mixed.rotate_left(7) ^ migration.checksum());
    format!("{mixed:016x}")
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, latest};

    #[test]
    fn migrations_are_numbered_without_gaps() {
        let mut versions: Vec<_> = super::embedded::migrations::runner()
            .get_migrations()
            .iter()
            .map(refinery::Migration::version)
            .collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=latest()).collect::<Vec<_>>());
    }

    #[test]
    fn the_fingerprint_is_a_valid_part_of_a_database_name() {
        assert_eq!(fingerprint().len(), 16);
        assert!(fingerprint().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
