//! What a query asks of a message, as conditions.

use std::fmt::Write as _;

use sea_query::{
    Condition, Expr, ExprTrait, Query as Sql, Value, extension::postgres::PgExpr as _,
};

use crate::db::iden::{Messages, Users};
use crate::id::UserId;
use crate::search::{Clause, Has, Query, Term, TermKind};

/// Written by one of these.
pub(super) fn written_by(reader: UserId, names: &[String]) -> Condition {
    let author = || Expr::col((Messages::Table, Messages::UserId));
    let people = Sql::select()
        .column(Users::Id)
        .from(Users::Table)
        .and_where(Expr::col(Users::Username).is_in(names.iter().map(String::as_str)))
        .to_owned();
    let mut any = Condition::any().add(author().in_subquery(people));
    if names.iter().any(|name| name == "me") {
        any = any.add(author().eq(reader));
    }
    any
}

/// With something on it.
pub(super) fn having(has: Has) -> Expr {
    const FILE: &str =
        "EXISTS (SELECT FROM attachments WHERE attachments.message_id = messages.id)";
    const IMAGE: &str = "EXISTS (SELECT FROM attachments WHERE attachments.message_id = messages.id \
                         AND attachments.content_type LIKE 'image/%')";
    Expr::cust(match has {
        Has::File => FILE,
        Has::Image => IMAGE,
        Has::Link => "messages.body_md ~* 'https?://'",
    })
}

/// All clauses, over the text of a message. Words that must be there become one condition, for which the index is read once.
pub(super) fn text(query: &Query) -> Condition {
    let mut all = Condition::all();
    let (mut sql, mut values) = (Vec::new(), Vec::new());
    for clause in &query.clauses {
        if !clause.excluded && clause.any.iter().all(|term| term.kind != TermKind::Part) {
            let any: Vec<_> = clause.any.iter().map(words).collect();
            sql.push(format!(
                "({})",
                any.iter().map(|(sql, _)| *sql).collect::<Vec<_>>().join(" || ")
            ));
            values.extend(any.into_iter().flat_map(|(_, value)| [value.clone(), value]));
        } else {
            let any = any_of(clause);
            all = all.add(if clause.excluded { any.not() } else { any });
        }
    }
    if !sql.is_empty() {
        let sql = format!("messages.search @@ ({})", numbered(&sql.join(" && ")));
        all = all.add(Expr::cust_with_values(sql, values));
    }
    all
}

fn any_of(clause: &Clause) -> Condition {
    let mut any = Condition::any();
    for term in &clause.any {
        any = any.add(match term.kind {
            TermKind::Part => {
                Expr::col((Messages::Table, Messages::BodyMd)).ilike(containing(&term.text))
            }
            TermKind::Word | TermKind::Phrase => {
                let (sql, value) = words(term);
                let sql = format!("messages.search @@ {}", numbered(sql));
                Expr::cust_with_values(sql, [value.clone(), value])
            }
        });
    }
    any
}

/// The query of a term over words, stemmed or as they are, with two places `$$` for its text. The parsers of these functions take
/// any text, unlike `to_tsquery`, whose syntax people would stumble over.
pub(super) fn words(term: &Term) -> (&'static str, Value) {
    let sql = if term.kind == TermKind::Phrase {
        "(phraseto_tsquery('english', $$) || phraseto_tsquery('simple', $$))"
    } else {
        "(plainto_tsquery('english', $$) || plainto_tsquery('simple', $$))"
    };
    (sql, term.text.as_str().into())
}

/// Numbers the places of a text: `$1`, `$2`, …
pub(super) fn numbered(sql: &str) -> String {
    let mut pieces = sql.split("$$");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for (piece, number) in pieces.zip(1..) {
        // Writing to a string cannot fail.
        let _ = write!(text, "${number}{piece}");
    }
    text
}

/// A pattern for texts that hold this one, letter for letter.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    // Only what is needed: the traits of statements know other meanings of `contains`.
    use super::{Query, Sql, numbered, text};

    #[test]
    fn places_are_numbered_in_their_order() {
        assert_eq!(numbered("a($$) || b($$)"), "a($1) || b($2)");
        assert_eq!(numbered("none"), "none");
    }

    #[test]
    fn every_word_that_must_be_there_is_one_condition() {
        use sea_query::PostgresQueryBuilder;
        let query = Query::parse("ship \"red boat\" ERR-1 -draft").unwrap();
        let sql = Sql::select().cond_where(text(&query)).to_string(PostgresQueryBuilder);
        assert_eq!(sql.matches("messages.search @@").count(), 2, "{sql}");
        assert!(sql.contains("phraseto_tsquery('simple', 'red boat')"), "{sql}");
        assert!(sql.contains("ILIKE '%ERR-1%'"), "{sql}");
    }
}
