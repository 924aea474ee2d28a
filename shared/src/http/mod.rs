//! What every server of ours has in common: how it listens, who may call it, how it answers errors, health and metrics.

mod accept;
mod drain;
mod edge;
mod extract;
mod health;
mod problem;
mod serve;
mod stall;
mod table;

pub use accept::Acceptor;
pub use drain::unready_first;
pub use edge::{
    CLIENT_IP_HEADER, EDGE_HEADER, Edge, TRACE_HEADER, TraceId, UNREADY_HEADER, edge_only, trace,
};
pub use extract::{Json, Path, Query};
pub use health::{Health, health_routes};
pub use serve::{bind, serve};
pub use stall::{Stallable, WRITE_STALL};
pub use table::{Class, Route, RouteTable};
