//! What a database error means.

/// The name of the constraint a statement violated, if that is what happened.
///
/// Constraint names are part of the schema (`migrations/sql`), so that callers can turn a race they lost into the right answer.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// True if the database cannot answer now but may soon: down, starting, overloaded, or the statement was cut off.
#[must_use]
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_unavailable_code(&code)),
        _ => false,
    }
}

/// SQLSTATE classes: 08 connection, 40 rolled back (serialisation, deadlock), 53 out of resources, 55P03 lock not available,
/// 57 cancelled or shutting down, 58 system error, 25006 read-only (a fail-over under way), 25P03 idle in transaction,
/// 55000 closed to connections (a restore under way).
fn is_unavailable_code(code: &str) -> bool {
    matches!(code.get(..2), Some("08" | "40" | "53" | "57" | "58"))
        || matches!(code, "55P03" | "55000" | "25006" | "25P03")
}

#[cfg(test)]
mod tests {
    use super::{is_unavailable, is_unavailable_code};

    #[test]
    fn a_database_that_is_away_is_unavailable_and_a_missing_row_is_not() {
        assert!(is_unavailable(&sqlx::Error::PoolTimedOut));
        assert!(!is_unavailable(&sqlx::Error::RowNotFound));
        assert!(is_unavailable_code("57014"), "statement timeout");
        assert!(!is_unavailable_code("23505"), "unique violation");
    }
}
