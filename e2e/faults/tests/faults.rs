//! All fault tests, in one program.
