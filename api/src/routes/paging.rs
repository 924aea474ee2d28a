//! Pages of lists.

use ajet_shared::db::paging::{Keyset, Start};
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::page::{Anchor, Page, PageQuery};
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};

/// A page of a list that begins with its oldest row.
pub(super) fn keyset_from_start(query: PageQuery) -> ApiResult<Keyset> {
    keyset(query, Start::Oldest)
}

/// A page of a list that begins with its newest rows.
pub(super) fn keyset_from_end(query: PageQuery) -> ApiResult<Keyset> {
    keyset(query, Start::Newest)
}

fn keyset(query: PageQuery, start: Start) -> ApiResult<Keyset> {
    let (anchor, limit) =
        PageQuery { limit: query.limit.or(Some(PAGE_SIZE_MAX)), ..query }.parse()?;
    Keyset::new(anchor, limit, start).ok_or_else(no_around)
}

fn no_around() -> ApiError {
    ApiError::Validation("around is for lists of messages".to_owned())
}

/// A page of a short list that is in memory already, in its own order. Without a limit it is the whole list.
pub(super) fn slice<T>(
    items: Vec<T>,
    query: PageQuery,
    id: impl Fn(&T) -> Uuid,
) -> ApiResult<Page<T>> {
    let (anchor, limit) = query.parse()?;
    let limit = if query.limit.is_some() { usize::from(limit) } else { items.len().max(1) };
    let place =
        |cursor: Uuid| items.iter().position(|item| id(item) == cursor).ok_or(ApiError::NotFound);
    let (start, end) = match anchor {
        Anchor::Latest => (0, limit),
        Anchor::After(cursor) => {
            let start = place(cursor)? + 1;
            (start, start + limit)
        }
        Anchor::Before(cursor) => {
            let end = place(cursor)?;
            (end.saturating_sub(limit), end)
        }
        Anchor::Around(_) => return Err(no_around()),
    };
    let (older, newer) = (start > 0, end < items.len());
    let items: Vec<T> = items.into_iter().take(end).skip(start).collect();
    Ok(Page {
        prev: items.first().filter(|_| older).map(&id),
        next: items.last().filter(|_| newer).map(&id),
        items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_list_is_walked_by_cursors() {
        let ids: Vec<Uuid> = (1..=5).map(Uuid::from_u128).collect();
        let page = |query| slice(ids.clone(), query, |id| *id).unwrap();
        let two = PageQuery { limit: Some(2), ..PageQuery::default() };
        let first = page(two);
        assert_eq!(
            (first.items.as_slice(), first.prev, first.next),
            (&ids[..2], None, Some(ids[1]))
        );
        let last = page(PageQuery { after: Some(ids[3]), ..two });
        assert_eq!((last.items.as_slice(), last.prev, last.next), (&ids[4..], Some(ids[4]), None));
        let back = page(PageQuery { before: Some(ids[2]), ..two });
        assert_eq!((back.items.as_slice(), back.prev, back.next), (&ids[..2], None, Some(ids[1])));
        assert_eq!(page(PageQuery::default()).items, ids);
    }
}
