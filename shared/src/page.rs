//! Cursor pages (requirements C5).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};

/// One page of a list. `prev` continues towards older rows, `next` towards newer ones; `null` means there is nothing there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows, in the order of the list (messages ascend by `seq`).
    pub items: Vec<T>,
    /// Give this as `after` to read on.
    pub next: Option<Uuid>,
    /// Give this as `before` to read back.
    pub prev: Option<Uuid>,
}

impl<T> Page<T> {
    /// A list that fits one page.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None, prev: None }
    }
}

/// Which page: at most one of the cursors (`around` only for messages) and a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
pub struct PageQuery {
    /// Rows older than this one, newest of them last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Uuid>,
    /// Rows newer than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Uuid>,
    /// Rows on both sides of this one, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around: Option<Uuid>,
    /// Rows wanted, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

/// What a page starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The newest rows.
    Latest,
    /// Rows older than this.
    Before(Uuid),
    /// Rows newer than this.
    After(Uuid),
    /// Rows on both sides of this.
    Around(Uuid),
}

/// Why a page cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// More than one of `before`, `after`, `around`.
    #[error("give only one of before, after and around")]
    Ambiguous,
    /// `limit` is out of bounds.
    #[error("limit is 1 to {PAGE_SIZE_MAX}")]
    Limit,
}

impl PageQuery {
    /// The parsed page: its anchor and its size in rows.
    pub fn parse(self) -> Result<(Anchor, u16), PageError> {
        let limit = self.limit.unwrap_or(PAGE_SIZE_DEFAULT);
        if limit == 0 || limit > PAGE_SIZE_MAX {
            return Err(PageError::Limit);
        }
        let anchor = match (self.before, self.after, self.around) {
            (None, None, None) => Anchor::Latest,
            (Some(id), None, None) => Anchor::Before(id),
            (None, Some(id), None) => Anchor::After(id),
            (None, None, Some(id)) => Anchor::Around(id),
            _ => return Err(PageError::Ambiguous),
        };
        Ok((anchor, limit))
    }
}
