//! Counters of the limits that must hold over all processes and over their restarts: sign-in, and what only the api can count.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, OnConflict, Query};
use sqlx::PgConnection;

use super::iden::RateCounters;

/// Counts one more in the current window of `key` and returns the new count with the seconds until the window ends.
pub async fn hit(
    conn: &mut PgConnection,
    key: &str,
    window: Duration,
) -> Result<(i32, f64), sqlx::Error> {
    add(conn, key, window, 1).await
}

/// Counts `more` at once. The counter is held until the transaction ends, and a rollback takes back what was counted.
pub async fn add(
    conn: &mut PgConnection,
    key: &str,
    window: Duration,
    more: i32,
) -> Result<(i32, f64), sqlx::Error> {
    let seconds = window.as_secs_f64();
    let start = Expr::cust_with_values(
        "to_timestamp(floor(extract(epoch FROM now()) / $1) * $1)",
        [seconds],
    );
    let statement = Query::insert()
        .into_table(RateCounters::Table)
        .columns([RateCounters::Key, RateCounters::WindowStart, RateCounters::Count])
        .values_panic([key.into(), start, more.into()])
        .on_conflict(
            OnConflict::columns([RateCounters::Key, RateCounters::WindowStart])
                .value(
                    RateCounters::Count,
                    Expr::col((RateCounters::Table, RateCounters::Count)).add(more),
                )
                .to_owned(),
        )
        .returning(Query::returning().exprs([
            Expr::col(RateCounters::Count),
            Expr::cust_with_values(
                "extract(epoch FROM window_start + make_interval(secs => $1) - now())::float8",
                [seconds],
            ),
        ]))
        .to_owned();
    super::fetch_one(conn, &statement).await
}

/// Removes windows older than a day. Returns how many.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let statement = Query::delete()
        .from_table(RateCounters::Table)
        .and_where(Expr::cust("window_start < now() - interval '1 day'"))
        .to_owned();
    super::execute(conn, &statement).await
}
