//! Fault tests: a stack of separate processes, faults, and a checker that knows every acknowledged write.
