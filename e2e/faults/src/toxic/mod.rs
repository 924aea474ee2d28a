//! A toxic TCP proxy: every connection between two parts of a stack goes through an [`Edge`], and whoever tests says what happens there.
//!
//! `cargo xtask with-stack --toxic` opens the edges inside xtask, which also keeps the processes, and listens on a Unix socket in the
//! run folder. Its address is in `AJET_TOXIC_URL` (`unix:///…/toxic.sock`) and in `stack.json`; [`Control`] speaks to it.
//!
//! # The protocol
//!
//! One line is one request. The answer is any number of lines of data and then `ok` or `error <sentence>`; by then it has happened.
//!
//! | request | what happens | data |
//! |---|---|---|
//! | `edges` | | `edge <name> <listens at> <leads to> <connections> <conditions>` each |
//! | `latency EDGES MS [JITTER_MS] [up\|down]` | bytes arrive so much later, in order | |
//! | `bandwidth EDGES BYTES_A_SECOND [up\|down]` | no more than that in each connection | |
//! | `stall EDGES [up\|down]` | bytes and ends wait, as on a path that will heal; nothing is lost | |
//! | `drop EDGES [up\|down]` | half-open: bytes and ends vanish, connections stay | |
//! | `reset EDGES` | RST to both sides of every connection; new ones are fine | |
//! | `cut EDGES` | the same, and new ones are refused | |
//! | `restore EDGES` | all is well again; connections that have lost something get an RST soon | |
//! | `processes` | | `process <name> <running\|altered\|frozen\|down> <pid or ->` each |
//! | `stop NAME` | asked to end, and kept down | |
//! | `kill NAME` | `kill -9`, and kept down | |
//! | `start NAME [VARIABLE=VALUE …]` | started again; these variables stay with it until it is next started by hand | |
//! | `freeze NAME`, `thaw NAME` | SIGSTOP and SIGCONT to it and to all its descendants | |
//!
//! `up` is what the side that connects sends, `down` what it gets; without either it is both. The conditions of an edge add up until
//! `restore`. `start` answers when the process is there, which is before it is ready.
//!
//! # Names of edges
//!
//! `<from>-<to>`, each with its number: `client-gw-1`, `gw-1-api-2`, `gw-1-web-sm-1`, `gw-1-tui-sm-1`, `gw-1-postgres`, `gw-1-provider`,
//! `web-sm-1-api-2`, `web-sm-1-nats`, `tui-sm-1-api-1`, `tui-sm-1-nats`, `api-1-postgres`, `api-1-nats`, `api-1-s3`. A number left out
//! means all of them (`gw-api-1`, `api-nats`, `client-gw`); commas join several; `all` is every edge. Processes are called as their pid
//! files are: `api-1`, `auth-gw-1`, `web-sm-1`, `tui-sm-1`, `postgres-1`, `nats-1`.
//!
//! # What is behind an edge shows in front of it
//!
//! While nobody listens there, an edge refuses, as the port itself would: whoever tells "refused" from "broken" must go on to. A
//! service that is frozen still accepts, because its kernel does.

mod client;
mod connection;
mod control;
mod edge;
mod pipe;
mod proxy;
mod words;

pub use client::{Control, EdgeLine, ProcessLine, VARIABLE};
pub use control::{Keeper, NoProcesses, serve};
pub use edge::Edge;
pub use proxy::{Endpoint, Proxy, edge_name};
pub use words::{Order, Request, Toxic, Way};

#[cfg(test)]
mod tests;
