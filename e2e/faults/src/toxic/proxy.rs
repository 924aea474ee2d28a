//! All edges of a stack, by name.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use futures::future::try_join_all;

use super::{Edge, Toxic, Way};

/// One side of an edge: a service, and which of its replicas where it has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As it is called in names of edges: `gw`, `api`, `postgres`, …
    pub service: String,
    /// From 1.
    pub number: Option<usize>,
}

impl Endpoint {
    /// One that there is only one of.
    #[must_use]
    pub fn single(service: &str) -> Self {
        Self { service: service.to_owned(), number: None }
    }

    /// Number `number` of several.
    #[must_use]
    pub fn replica(service: &str, number: usize) -> Self {
        Self { service: service.to_owned(), number: Some(number) }
    }

    /// Its name with its number and without.
    fn names(&self) -> Vec<String> {
        let numbered = self.number.map(|number| format!("{}-{number}", self.service));
        numbered.into_iter().chain([self.service.clone()]).collect()
    }
}

/// The full name of an edge.
#[must_use]
pub fn edge_name(from: &Endpoint, to: &Endpoint) -> String {
    format!("{}-{}", from.names()[0], to.names()[0])
}

/// Every edge of a stack.
#[derive(Debug, Default)]
pub struct Proxy {
    edges: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    /// The full name first, then the shorter ones.
    names: Vec<String>,
    edge: Edge,
}

impl Proxy {
    /// Opens one more edge; gives where it listens.
    pub async fn open(
        &mut self,
        from: &Endpoint,
        to: &Endpoint,
        listen: SocketAddr,
        target: SocketAddr,
    ) -> anyhow::Result<SocketAddr> {
        let pairs = from.names().into_iter().flat_map(|from| {
            to.names().into_iter().map(move |to| format!("{from}-{to}")).collect::<Vec<_>>()
        });
        let names: Vec<String> = pairs.collect();
        let edge = Edge::open(listen, target).await.with_context(|| names[0].clone())?;
        let at = edge.listen();
        self.edges.push(Named { names, edge });
        Ok(at)
    }

    /// Changes the conditions of some edges at once; done when they are in force everywhere.
    pub async fn disturb(&self, edges: &str, toxic: Toxic, way: Way) -> anyhow::Result<()> {
        let edges = self.called(edges)?;
        try_join_all(edges.into_iter().map(|edge| edge.disturb(toxic, way))).await?;
        Ok(())
    }

    /// One line for each edge.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let line = |named: &Named| format!("edge {} {}", named.names[0], named.edge.describe());
        self.edges.iter().map(line).collect()
    }

    /// The edges of these names, joined by commas.
    fn called(&self, names: &str) -> anyhow::Result<Vec<&Edge>> {
        let mut found = Vec::new();
        for name in names.split(',') {
            let is_called =
                |named: &&Named| name == "all" || named.names.iter().any(|own| own == name);
            let before = found.len();
            found.extend(self.edges.iter().filter(is_called).map(|named| &named.edge));
            if found.len() == before {
                let known: Vec<_> =
                    self.edges.iter().map(|named| named.names[0].as_str()).collect();
                bail!("there is no edge {name}, but {}", known.join(", "));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_left_out_means_all_of_them() {
        let mut proxy = Proxy::default();
        let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
        let nowhere: SocketAddr = ([127, 0, 0, 1], 1).into();
        for number in [1, 2] {
            let gw = Endpoint::replica("gw", number);
            for to in [
                Endpoint::replica("api", 1),
                Endpoint::replica("api", 2),
                Endpoint::single("postgres"),
            ] {
                proxy.open(&gw, &to, anywhere, nowhere).await.unwrap();
            }
        }
        let count = |names: &str| proxy.called(names).unwrap().len();
        assert_eq!(count("gw-1-api-2"), 1);
        assert_eq!(count("gw-api-2"), 2);
        assert_eq!(count("gw-2-api"), 2);
        assert_eq!(count("gw-api"), 4);
        assert_eq!(count("gw-postgres"), 2);
        assert_eq!(count("gw-1-postgres,gw-2-api-1"), 2);
        assert_eq!(count("all"), 6);
        let error = proxy.called("gw-3-api-1").unwrap_err().to_string();
        assert!(error.starts_with("there is no edge gw-3-api-1, but gw-1-api-1, "), "{error}");
        assert!(proxy.describe()[0].starts_with("edge gw-1-api-1 127.0.0.1:"));
    }
}
