//! All nets, in one program.
