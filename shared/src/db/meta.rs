//! Single values of the whole installation: the stream's epoch, the hash of the set-up token.

use sea_query::{Expr, ExprTrait, OnConflict, Query};
use sqlx::PgConnection;

use super::iden::Meta;

/// Generation of the event stream.
pub const EPOCH: &str = "epoch";
/// Where the numbering of the epoch began: the last sequence that was kept from the one before.
const EPOCH_START: &str = "epoch_start";
/// Hash of the token that opens the first-run set-up.
pub const SETUP_TOKEN_HASH: &str = "setup_token_hash";

/// A value, if it is set.
pub async fn get(conn: &mut PgConnection, key: &str) -> Result<Option<String>, sqlx::Error> {
    let statement = Query::select()
        .column(Meta::Value)
        .from(Meta::Table)
        .and_where(Expr::col(Meta::Key).eq(key))
        .to_owned();
    super::fetch_scalar(conn, &statement).await
}

/// Sets a value.
pub async fn set(conn: &mut PgConnection, key: &str, value: &str) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(Meta::Table)
        .columns([Meta::Key, Meta::Value])
        .values_panic([key.into(), value.into()])
        .on_conflict(
            OnConflict::column(Meta::Key)
                .update_column(Meta::Value)
                .value(Meta::UpdatedAt, Expr::current_timestamp())
                .to_owned(),
        )
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Sets a value unless there is one, and returns the one that holds.
pub async fn get_or_set(
    conn: &mut PgConnection,
    key: &str,
    value: &str,
) -> Result<String, sqlx::Error> {
    let statement = Query::insert()
        .into_table(Meta::Table)
        .columns([Meta::Key, Meta::Value])
        .values_panic([key.into(), value.into()])
        .on_conflict(OnConflict::column(Meta::Key).do_nothing().to_owned())
        .to_owned();
    super::execute(conn, &statement).await?;
    Ok(get(conn, key).await?.unwrap_or_else(|| value.to_owned()))
}

/// Removes a value.
pub async fn remove(conn: &mut PgConnection, key: &str) -> Result<(), sqlx::Error> {
    let statement =
        Query::delete().from_table(Meta::Table).and_where(Expr::col(Meta::Key).eq(key)).to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// The epoch of the event stream.
pub async fn epoch(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let text = get(conn, EPOCH).await?.ok_or(sqlx::Error::RowNotFound)?;
    text.parse().map_err(|error: std::num::ParseIntError| sqlx::Error::Decode(error.into()))
}

/// The last sequence of the stream that the epoch kept from the one before; none in the first.
pub async fn epoch_start(conn: &mut PgConnection) -> Result<Option<u64>, sqlx::Error> {
    let text = get(conn, EPOCH_START).await?;
    text.map(|text| text.parse())
        .transpose()
        .map_err(|error: std::num::ParseIntError| sqlx::Error::Decode(error.into()))
}

/// Begins an epoch whose numbering goes on after `start`.
pub async fn begin_epoch(
    conn: &mut PgConnection,
    epoch: i32,
    start: u64,
) -> Result<(), sqlx::Error> {
    set(conn, EPOCH, &epoch.to_string()).await?;
    set(conn, EPOCH_START, &start.to_string()).await
}
