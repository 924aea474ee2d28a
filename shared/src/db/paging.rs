//! Cursor pages over a UUIDv7 column (requirements C5).

use sea_query::{Expr, ExprTrait, IntoColumnRef, Order, SelectStatement};
use uuid::Uuid;

use crate::page::{Anchor, Page};

/// Where a list begins when no cursor is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest rows.
    Oldest,
    /// With the newest rows.
    Newest,
}

/// One page of a list that ascends by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyset {
    anchor: Anchor,
    limit: u16,
    backward: bool,
}

impl Keyset {
    /// The page that `anchor` asks for; none for `around`, which only lists of messages have.
    #[must_use]
    pub fn new(anchor: Anchor, limit: u16, start: Start) -> Option<Self> {
        let backward = match anchor {
            Anchor::Around(_) => return None,
            Anchor::Before(_) => true,
            Anchor::After(_) => false,
            Anchor::Latest => start == Start::Newest,
        };
        Some(Self { anchor, limit, backward })
    }

    /// Restricts and orders a query by its id column. One row more than asked for tells whether there are others.
    pub fn apply(&self, statement: &mut SelectStatement, id: impl IntoColumnRef + Copy) {
        match self.anchor {
            Anchor::Before(cursor) => statement.and_where(Expr::col(id).lt(cursor)),
            Anchor::After(cursor) => statement.and_where(Expr::col(id).gt(cursor)),
            Anchor::Latest | Anchor::Around(_) => statement,
        };
        let order = if self.backward { Order::Desc } else { Order::Asc };
        statement.order_by(id, order).limit(u64::from(self.limit) + 1);
    }

    /// The page made of the rows of such a query.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Page<T> {
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(usize::from(self.limit));
        if self.backward {
            rows.reverse();
        }
        // Behind a cursor there is at least the row it names.
        let from_cursor = self.anchor != Anchor::Latest;
        let (older, newer) = if self.backward { (more, from_cursor) } else { (from_cursor, more) };
        Page {
            prev: rows.first().filter(|_| older).map(&id),
            next: rows.last().filter(|_| newer).map(&id),
            items: rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(
        anchor: Anchor,
        start: Start,
        rows: &[u128],
    ) -> (Vec<u128>, Option<u128>, Option<u128>) {
        let page =
            Keyset::new(anchor, 2, start).unwrap().page(rows.to_vec(), |id| Uuid::from_u128(*id));
        (page.items, page.prev.map(|id| id.as_u128()), page.next.map(|id| id.as_u128()))
    }

    #[test]
    fn pages_say_where_there_is_more() {
        let id = Uuid::from_u128;
        assert_eq!(page(Anchor::Latest, Start::Oldest, &[1, 2, 3]), (vec![1, 2], None, Some(2)));
        assert_eq!(page(Anchor::Latest, Start::Newest, &[9, 8, 7]), (vec![8, 9], Some(8), None));
        assert_eq!(page(Anchor::After(id(2)), Start::Oldest, &[3]), (vec![3], Some(3), None));
        assert_eq!(
            page(Anchor::Before(id(8)), Start::Newest, &[7, 6]),
            (vec![6, 7], None, Some(7))
        );
        assert_eq!(page(Anchor::Latest, Start::Oldest, &[]), (vec![], None, None));
        assert!(Keyset::new(Anchor::Around(id(1)), 2, Start::Newest).is_none());
    }
}
