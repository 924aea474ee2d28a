//! Which version of the schema the database has. The api applies migrations; the others wait until it has.

use sea_query::{Alias, Expr, Query};
use sqlx::PgConnection;

/// The version that this build needs: the number of the newest file in `migrations/sql` (a test of the gateway compares them).
pub const NEEDED: i32 = 7;

/// True if the schema is the one this build needs, or newer: migrations only add.
pub async fn is_current(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let known = Query::select()
        .expr(Expr::cust("to_regclass('refinery_schema_history') IS NOT NULL"))
        .to_owned();
    if !super::fetch_scalar(conn, &known).await?.unwrap_or(false) {
        return Ok(false);
    }
    let statement = Query::select()
        .expr(Expr::cust("coalesce(max(version), 0)::int4"))
        .from(Alias::new("refinery_schema_history"))
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.unwrap_or(0) >= NEEDED)
}
