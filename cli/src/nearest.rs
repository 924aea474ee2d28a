//! "Did you mean".

pub(crate) use ajet_shared::nearest::nearest;
