//! Search: what can be asked, and what is found (requirements D6).

mod query;
mod snippet;
mod words;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use query::{Clause, Has, Place, Query, QueryError, Term, TermKind};
pub use snippet::snippet;

use crate::id::{ChannelId, CommunityId};
use crate::message::Message;

/// In which order hits come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SearchSort {
    /// The newest first.
    #[default]
    New,
    /// Those that fit best first, of the newest 2,000; one page only.
    Best,
}

impl SearchSort {
    /// As the address writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Best => "best",
        }
    }
}

/// What to look for, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
pub struct SearchRequest {
    /// Words, `"phrases"`, `-without`, `this OR that`, and filters: `from:@user`, `in:#channel`, `before:2026-11-20`,
    /// `after:2026-11-01`, `has:file`, `has:image`, `has:link`, `is:thread`.
    pub q: String,
    /// Only in this community.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub community_id: Option<CommunityId>,
    /// Only in this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// Messages older than this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Uuid>,
    /// Messages wanted, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// The newest first, or those that fit best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<SearchSort>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchHit {
    /// The message.
    pub message: Message,
    /// Where it stands.
    pub channel_id: ChannelId,
    /// The part of its text that was found.
    pub snippet: Snippet,
}

/// A piece of a message as plain text, on one line, with what was found in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snippet {
    /// Plain text: no markup of any kind, to be escaped like any other text.
    pub text: String,
    /// What to mark, ascending and without overlap; empty when the hit is in what the text does not show (an address, a file name).
    pub matches: Vec<Match>,
}

/// A stretch of a snippet, counted in characters (Unicode scalar values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Match {
    /// Its first character.
    pub start: usize,
    /// The character after its last one.
    pub end: usize,
}

impl Snippet {
    /// The text in pieces, each with whether it was found.
    #[must_use]
    pub fn pieces(&self) -> Vec<(&str, bool)> {
        let byte = |place: usize| {
            self.text.char_indices().nth(place).map_or(self.text.len(), |(index, _)| index)
        };
        let mut pieces = Vec::with_capacity(self.matches.len() * 2 + 1);
        let mut done = 0;
        for found in &self.matches {
            // What came from elsewhere may not be as it should.
            let (start, end) = (byte(found.start).max(done), byte(found.end).max(done));
            pieces.push((&self.text[done..start], false));
            pieces.push((&self.text[start..end], true));
            done = end;
        }
        pieces.push((&self.text[done..], false));
        pieces.retain(|(piece, _)| !piece.is_empty());
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_comes_apart_at_its_matches() {
        let snippet = Snippet {
            text: "häfen am Kai".to_owned(),
            matches: vec![Match { start: 0, end: 5 }, Match { start: 9, end: 12 }],
        };
        assert_eq!(snippet.pieces(), [("häfen", true), (" am ", false), ("Kai", true)]);
        let strange = Snippet {
            text: "ab".to_owned(),
            matches: vec![Match { start: 1, end: 90 }, Match { start: 0, end: 1 }],
        };
        assert_eq!(strange.pieces(), [("a", false), ("b", true)]);
        assert!(Snippet::default().pieces().is_empty());
    }
}
