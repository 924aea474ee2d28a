//! End-to-end nets: tests that catch whole classes of mistakes, run against a whole stack (`AJET_*`, see `cargo xtask with-stack`).
