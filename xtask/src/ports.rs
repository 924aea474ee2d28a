//! Free ports.
//!
//! Ports are picked below the range from which the kernel takes the local ports of outgoing connections (32768 and up
//! on Linux). So nobody takes a port by accident between our picking it and the server's binding it, nor while a
//! server that was killed is being started again on it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;
use rand::RngExt as _;

/// Hands out ports, each only once.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    taken: HashSet<u16>,
}

impl Ports {
    /// Any free port.
    pub(crate) fn any(&mut self) -> anyhow::Result<u16> {
        let mut random = rand::rng();
        for _ in 0..1_000 {
            let port = random.random_range(20_000..32_000);
            if !self.taken.contains(&port) && is_free(port) {
                self.taken.insert(port);
                return Ok(port);
            }
        }
        bail!("no free port between 20000 and 32000 on 127.0.0.1");
    }

    /// `wanted` when it is free, else another, saying so.
    pub(crate) fn prefer(&mut self, wanted: u16, what: &str) -> anyhow::Result<u16> {
        if is_free(wanted) && self.taken.insert(wanted) {
            return Ok(wanted);
        }
        let port = self.any()?;
        crate::ui::note(format_args!("{what:<12} port {wanted} is taken, using {port}"));
        Ok(port)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Ipv4Addr, Ports, TcpListener};

    #[test]
    fn a_taken_port_is_replaced_and_none_is_given_twice() {
        let mut ports = Ports::default();
        let wanted = ports.any().unwrap();
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).unwrap();
        assert_ne!(Ports::default().prefer(wanted, "test").unwrap(), wanted);
        drop(holder);
        assert_eq!(Ports::default().prefer(wanted, "test").unwrap(), wanted);
        assert_ne!(ports.prefer(wanted, "test").unwrap(), wanted);
    }
}
