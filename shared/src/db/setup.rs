//! The first-run set-up: one community is made by whoever holds the set-up token, and only while there is none.

use sea_query::{Expr, Query};
use sqlx::PgConnection;

use super::iden::Communities;
use super::meta;

/// Key of the advisory lock under which the first community is made: "ajetinit" in ASCII.
const LOCK_KEY: i64 = 0x616a_6574_696e_6974;

/// Waits until nobody else is setting up; holds until the transaction ends.
pub async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust_with_values("pg_advisory_xact_lock($1)", [LOCK_KEY]))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// The hash of the token that opens the set-up.
pub async fn token_hash(conn: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    meta::get(conn, meta::SETUP_TOKEN_HASH).await
}

/// Sets the hash of the token that opens the set-up, or closes it.
pub async fn set_token_hash(
    conn: &mut PgConnection,
    hash: Option<&str>,
) -> Result<(), sqlx::Error> {
    match hash {
        Some(hash) => meta::set(conn, meta::SETUP_TOKEN_HASH, hash).await,
        None => meta::remove(conn, meta::SETUP_TOKEN_HASH).await,
    }
}

/// The names of the first two communities: the sign-in page names the only one, if it is the only one.
pub async fn community_names(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let statement =
        Query::select().column(Communities::Name).from(Communities::Table).limit(2).to_owned();
    super::fetch_scalars(conn, &statement).await
}
