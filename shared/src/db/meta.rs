//! Single values of the whole installation: the stream's epoch, the hash of the set-up token.

use sea_query::{Expr, ExprTrait, OnConflict, Query};
use sqlx::PgConnection;

use super::iden::Meta;

/// Generation of the event stream.
pub const EPOCH: &str = "epoch";
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

/// Begins a new epoch, because the stream lost events; returns it.
pub async fn advance_epoch(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let statement = Query::update()
        .table(Meta::Table)
        .value(Meta::Value, Expr::cust("(value::integer + 1)::text"))
        .value(Meta::UpdatedAt, Expr::current_timestamp())
        .and_where(Expr::col(Meta::Key).eq(EPOCH))
        .returning(Query::returning().expr(Expr::cust("value::integer")))
        .to_owned();
    super::fetch_scalar(conn, &statement).await?.ok_or(sqlx::Error::RowNotFound)
}
