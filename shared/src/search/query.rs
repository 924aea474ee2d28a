//! The text somebody types into a search box, taken apart. Everything that is no filter is something to look for, so nothing is an
//! error of syntax.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::words;

/// Characters of a query.
const QUERY_MAX_CHARS: usize = 1_000;
/// Words, phrases and filters of a query.
const PARTS_MAX: usize = 40;

/// A query as it was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// All of these must hold.
    pub clauses: Vec<Clause>,
    /// Written by one of them: usernames, or `me`.
    pub from: Vec<String>,
    /// In one of these places.
    pub places: Vec<Place>,
    /// Written before this.
    pub before: Option<OffsetDateTime>,
    /// Written then or later.
    pub after: Option<OffsetDateTime>,
    /// With all of these.
    pub has: Vec<Has>,
    /// Part of a thread.
    pub in_thread: bool,
}

/// One of its terms must be there, or none may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What to look for.
    pub any: Vec<Term>,
    /// It must not be there.
    pub excluded: bool,
}

/// Something to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// As it was written, quotes and punctuation at the ends apart.
    pub text: String,
    /// How it is looked for.
    pub kind: TermKind,
}

/// How something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermKind {
    /// As a word, in all its forms.
    Word,
    /// As words that follow each other.
    Phrase,
    /// As a part of the text, letter for letter: identifiers, numbers, file names, and scripts that do not separate words.
    Part,
}

/// A place by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `in:#name`, in lower case.
    Channel(String),
    /// `in:@name`: the direct messages with somebody.
    Person(String),
}

/// What a message must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Has {
    /// A file.
    File,
    /// A picture.
    Image,
    /// An address.
    Link,
}

/// Why a query cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// There is nothing in it.
    #[error("say what to look for")]
    Empty,
    /// It is too long.
    #[error("a search has at most {QUERY_MAX_CHARS} characters")]
    TooLong,
    /// It has too many parts.
    #[error("a search has at most {PARTS_MAX} words and filters")]
    TooMany,
    /// U+0000 is in no text.
    #[error("a search has no NUL characters")]
    Nul,
    /// The value of a filter is none of those it takes.
    #[error("{name}: takes {takes}")]
    Filter {
        /// Its name.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
    },
}

impl Query {
    /// Takes a query apart.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.contains('\0') {
            return Err(QueryError::Nul);
        }
        if text.chars().count() > QUERY_MAX_CHARS {
            return Err(QueryError::TooLong);
        }
        let tokens = tokens(text);
        if tokens.len() > PARTS_MAX {
            return Err(QueryError::TooMany);
        }
        let mut query = Self::default();
        let mut or = false;
        for token in tokens {
            if token.is_or() {
                or = !query.clauses.is_empty();
            } else if !query.filter(&token)? {
                query.look_for(&token, or);
                or = false;
            }
        }
        if query == Self::default() {
            return Err(QueryError::Empty);
        }
        Ok(query)
    }

    /// The terms that may be there: what is marked in what was found.
    pub fn wanted(&self) -> impl Iterator<Item = &Term> {
        self.clauses.iter().filter(|clause| !clause.excluded).flat_map(|clause| &clause.any)
    }

    /// The same query looking for parts of words where it looked for words. None if that is no other query.
    #[must_use]
    pub fn as_parts(&self) -> Option<Self> {
        let mut query = self.clone();
        for term in query
            .clauses
            .iter_mut()
            .filter(|clause| !clause.excluded)
            .flat_map(|clause| &mut clause.any)
        {
            if term.kind == TermKind::Word && words::is_indexed_part(&term.text) {
                term.kind = TermKind::Part;
            }
        }
        (query != *self).then_some(query)
    }

    /// An index leads to what is looked for; else texts have to be read one after the other.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        let finds = |term: &Term| term.kind != TermKind::Part || words::is_indexed_part(&term.text);
        let looks_for_nothing = self.clauses.iter().all(|clause| clause.excluded);
        looks_for_nothing
            || self.clauses.iter().any(|clause| !clause.excluded && clause.any.iter().all(finds))
    }

    /// Takes in a filter; false if the token is none.
    fn filter(&mut self, token: &Token) -> Result<bool, QueryError> {
        let Some((name, value)) = token.filter() else { return Ok(false) };
        match name.to_ascii_lowercase().as_str() {
            "from" => self.from.push(value.trim_start_matches('@').to_lowercase()),
            "in" => self.places.push(match value.strip_prefix('@') {
                Some(person) => Place::Person(person.to_lowercase()),
                None => Place::Channel(value.trim_start_matches('#').to_lowercase()),
            }),
            "before" => self.before = Some(moment("before", value)?),
            "after" => self.after = Some(moment("after", value)?),
            "has" => self.has.push(match value.to_ascii_lowercase().as_str() {
                "file" | "attachment" => Has::File,
                "image" => Has::Image,
                "link" => Has::Link,
                _ => return Err(QueryError::Filter { name: "has", takes: "file, image or link" }),
            }),
            "is" if value.eq_ignore_ascii_case("thread") => self.in_thread = true,
            "is" => return Err(QueryError::Filter { name: "is", takes: "thread" }),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes in something to look for; with `or` beside what came before it.
    fn look_for(&mut self, token: &Token, or: bool) {
        let Some(term) = token.term() else { return };
        match self.clauses.last_mut() {
            Some(last) if or && !last.excluded && !token.excluded => last.any.push(term),
            _ => self.clauses.push(Clause { any: vec![term], excluded: token.excluded }),
        }
    }
}

/// The start of a day in universal time, or a moment.
fn moment(name: &'static str, value: &str) -> Result<OffsetDateTime, QueryError> {
    let day = Date::parse(value, format_description!("[year]-[month]-[day]"))
        .map(|day| day.midnight().assume_utc());
    let moment = day.or_else(|_| OffsetDateTime::parse(value, &Rfc3339)).ok();
    // What Postgres can hold.
    moment.filter(|moment| (1..=9999).contains(&moment.year())).ok_or(QueryError::Filter {
        name,
        takes: "a day like 2026-11-20 or a time like 2026-11-20T16:00:00Z",
    })
}

/// What stands between two spaces, or in quotes.
struct Token {
    text: String,
    /// Where its quoted part begins, in bytes.
    quoted: Option<usize>,
    excluded: bool,
}

impl Token {
    fn is_or(&self) -> bool {
        self.text == "OR" && self.quoted.is_none() && !self.excluded
    }

    /// Name and value of a filter.
    fn filter(&self) -> Option<(&str, &str)> {
        let (name, value) = self.text.split_once(':')?;
        let name_is_plain = self.quoted.is_none_or(|quoted| quoted > name.len());
        (name_is_plain && !self.excluded && !value.is_empty()).then_some((name, value))
    }

    fn term(&self) -> Option<Term> {
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (text, kind) = if self.quoted.is_some() {
            let kind = if words::has_no_words(&text) { TermKind::Part } else { TermKind::Phrase };
            (text, kind)
        } else {
            words::kind_of(&text)
        };
        (!text.is_empty()).then_some(Term { text, kind })
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let Some(&first) = chars.peek() else { return tokens };
        let mut token = Token { text: String::new(), quoted: None, excluded: false };
        if first == '-' {
            chars.next();
            token.excluded = chars.peek().is_some_and(|next| !next.is_whitespace() && *next != '-');
            if !token.excluded {
                token.text.push('-');
            }
        }
        let mut open = false;
        while let Some(c) = chars.next_if(|c| open || !c.is_whitespace()) {
            // A quote opens at the start, after a filter's colon, and nowhere else: an inch or a JSON snippet is text.
            if is_quote(c) && (open || token.text.is_empty() || token.text.ends_with(':')) {
                open = !open;
                token.quoted.get_or_insert(token.text.len());
                if !open {
                    break;
                }
            } else {
                token.text.push(c);
            }
        }
        if !token.text.is_empty() {
            tokens.push(token);
        }
    }
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn parse(text: &str) -> Query {
        Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn clauses(text: &str) -> Vec<(Vec<(String, TermKind)>, bool)> {
        let clause = |clause: Clause| {
            let terms = clause.any.into_iter().map(|term| (term.text, term.kind)).collect();
            (terms, clause.excluded)
        };
        parse(text).clauses.into_iter().map(clause).collect()
    }

    fn one(text: &str, kind: TermKind) -> Vec<(Vec<(String, TermKind)>, bool)> {
        vec![(vec![(text.to_owned(), kind)], false)]
    }

    #[test]
    fn words_phrases_alternatives_and_exclusions() {
        use TermKind::{Part, Phrase, Word};
        let found = clauses(r#"ship "release candidate" -draft red OR blue"#);
        let term = |text: &str, kind| (text.to_owned(), kind);
        assert_eq!(
            found,
            [
                (vec![term("ship", Word)], false),
                (vec![term("release candidate", Phrase)], false),
                (vec![term("draft", Word)], true),
                (vec![term("red", Word), term("blue", Word)], false),
            ]
        );
        assert_eq!(clauses("follow-up,"), one("follow-up", Word));
        assert_eq!(clauses("ERR-2041"), one("ERR-2041", Part));
        assert_eq!(clauses("max_conn"), one("max_conn", Part));
        assert_eq!(clauses("notes.md"), one("notes.md", Part));
        assert_eq!(clauses("天气"), one("天气", Part));
        assert_eq!(clauses("(((("), one("((((", Part));
        assert_eq!(clauses("*"), one("*", Part));
    }

    #[test]
    fn filters_are_taken_out_of_the_text() {
        let query = parse(
            r"from:@mara in:#harbour in:@ola has:image has:link is:thread after:2026-11-01 before:2026-11-20T16:00:00+01:00 tide",
        );
        assert_eq!(query.from, ["mara"]);
        assert_eq!(
            query.places,
            [Place::Channel("harbour".to_owned()), Place::Person("ola".to_owned())]
        );
        assert_eq!(query.has, [Has::Image, Has::Link]);
        assert!(query.in_thread);
        assert_eq!(query.after, Some(datetime!(2026-11-01 0:00 UTC)));
        assert_eq!(query.before, Some(datetime!(2026-11-20 16:00 +1)));
        assert_eq!(query.wanted().map(|term| term.text.as_str()).collect::<Vec<_>>(), ["tide"]);
        assert_eq!(parse(r#"in:"old harbour""#).places, [Place::Channel("old harbour".to_owned())]);
        for text in ["https://example.org", "note:this", r#""from:me""#, "from:"] {
            assert_eq!(parse(text).clauses.len(), 1, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        for text in ["", "  ", "\"\"", "OR"] {
            assert_eq!(Query::parse(text), Err(QueryError::Empty), "{text:?}");
        }
        assert_eq!(Query::parse("a\0b"), Err(QueryError::Nul));
        assert_eq!(Query::parse(&"x".repeat(1_001)), Err(QueryError::TooLong));
        assert_eq!(Query::parse(&"x ".repeat(300)), Err(QueryError::TooMany));
        for text in
            ["has:banana", "is:late", "before:yesterday", "after:2026-13-01", "before:-0001-01-01"]
        {
            assert!(matches!(Query::parse(text), Err(QueryError::Filter { .. })), "{text}");
        }
    }

    #[test]
    fn parts_of_words_are_another_query_only_for_words() {
        let parts = parse("deploy -draft").as_parts().unwrap();
        assert_eq!(parts.clauses[0].any[0].kind, TermKind::Part);
        assert_eq!(parts.clauses[1].any[0].kind, TermKind::Word, "what is excluded stays a word");
        assert_eq!(parse("ERR-2041 \"release candidate\"").as_parts(), None);
        assert_eq!(parse("ok").as_parts(), None, "too short for the index");
    }

    #[test]
    fn it_is_known_when_texts_have_to_be_read() {
        for indexed in
            ["ship", "ERR-2041", "天气预报", "天气 ship", "from:@mara", "-draft", "\"a b\""]
        {
            assert!(parse(indexed).is_indexed(), "{indexed}");
        }
        for read in ["天气", "((((", "*", "ship OR 天气"] {
            assert!(!parse(read).is_indexed(), "{read}");
        }
    }
}
