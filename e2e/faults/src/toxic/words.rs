//! The requests of the control protocol, parsed and printed in this one place.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Which bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Those of the side that connects.
    Up,
    /// Those of the side that listens.
    Down,
    /// All of them.
    #[default]
    Both,
}

/// What is done to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxic {
    /// Bytes arrive later by this and at most a jitter more, in order.
    Latency(Duration, Duration),
    /// Bytes a second, for each connection.
    Bandwidth(NonZeroU64),
    /// Nothing moves, nothing is lost.
    Stall,
    /// Everything vanishes, connections stay.
    Drop,
    /// Every connection breaks.
    Reset,
    /// And new ones are refused.
    Cut,
    /// All is well again.
    Restore,
}

/// What is done to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Asked to end, and kept down.
    Stop,
    /// `kill -9`, and kept down.
    Kill,
    /// Started again, with these variables besides its own.
    Start(Vec<(String, String)>),
    /// SIGSTOP, its descendants too.
    Freeze,
    /// SIGCONT.
    Thaw,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Lists the edges.
    Edges,
    /// Does something to some edges.
    Disturb(String, Toxic, Way),
    /// Lists the processes.
    Processes,
    /// Does something to a process.
    Process(String, Order),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => " up",
            Self::Down => " down",
            Self::Both => "",
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edges => f.write_str("edges"),
            Self::Processes => f.write_str("processes"),
            Self::Disturb(edges, toxic, way) => match toxic {
                Toxic::Latency(time, jitter) => {
                    write!(f, "latency {edges} {} {}{way}", time.as_millis(), jitter.as_millis())
                }
                Toxic::Bandwidth(rate) => write!(f, "bandwidth {edges} {rate}{way}"),
                Toxic::Stall => write!(f, "stall {edges}{way}"),
                Toxic::Drop => write!(f, "drop {edges}{way}"),
                Toxic::Reset => write!(f, "reset {edges}"),
                Toxic::Cut => write!(f, "cut {edges}"),
                Toxic::Restore => write!(f, "restore {edges}"),
            },
            Self::Process(name, order) => match order {
                Order::Stop => write!(f, "stop {name}"),
                Order::Kill => write!(f, "kill {name}"),
                Order::Freeze => write!(f, "freeze {name}"),
                Order::Thaw => write!(f, "thaw {name}"),
                Order::Start(variables) => {
                    write!(f, "start {name}")?;
                    variables.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
                }
            },
        }
    }
}

impl FromStr for Request {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split_whitespace();
        let verb = words.next().context("an empty line is no request")?;
        let request = match verb {
            "edges" => Self::Edges,
            "processes" => Self::Processes,
            "stop" | "kill" | "start" | "freeze" | "thaw" => {
                let name = words.next().with_context(|| format!("`{verb}` which process?"))?;
                Self::Process(name.to_owned(), order(verb, &mut words)?)
            }
            "latency" | "bandwidth" | "stall" | "drop" | "reset" | "cut" | "restore" => {
                let edges = words.next().with_context(|| format!("`{verb}` which edges?"))?;
                let mut rest: Vec<&str> = words.by_ref().collect();
                let way = way(verb, &mut rest);
                let mut rest = rest.into_iter();
                let toxic = toxic(verb, &mut rest)?;
                if let Some(word) = rest.next() {
                    bail!("`{verb}` knows nothing of `{word}`");
                }
                Self::Disturb(edges.to_owned(), toxic, way)
            }
            _ => bail!("there is no request `{verb}`"),
        };
        match words.next() {
            Some(word) => bail!("`{verb}` knows nothing of `{word}`"),
            None => Ok(request),
        }
    }
}

/// The way, where one is named and makes sense.
fn way(verb: &str, rest: &mut Vec<&str>) -> Way {
    let way = match rest.last() {
        Some(_) if matches!(verb, "reset" | "cut" | "restore") => return Way::Both,
        Some(&"up") => Way::Up,
        Some(&"down") => Way::Down,
        _ => return Way::Both,
    };
    rest.pop();
    way
}

fn toxic<'a>(verb: &str, words: &mut impl Iterator<Item = &'a str>) -> anyhow::Result<Toxic> {
    let mut millis = |what| -> anyhow::Result<Option<Duration>> {
        let Some(word) = words.next() else { return Ok(None) };
        let millis = word.parse().with_context(|| format!("{what} is a number of milliseconds"))?;
        Ok(Some(Duration::from_millis(millis)))
    };
    Ok(match verb {
        "latency" => {
            let time = millis("the latency")?.context("`latency` of how many milliseconds?")?;
            Toxic::Latency(time, millis("the jitter")?.unwrap_or_default())
        }
        "bandwidth" => {
            let word = words.next().context("`bandwidth` of how many bytes a second?")?;
            Toxic::Bandwidth(word.parse().context("bytes a second are a number above 0")?)
        }
        "stall" => Toxic::Stall,
        "drop" => Toxic::Drop,
        "reset" => Toxic::Reset,
        "cut" => Toxic::Cut,
        _ => Toxic::Restore,
    })
}

fn order<'a>(verb: &str, words: &mut impl Iterator<Item = &'a str>) -> anyhow::Result<Order> {
    Ok(match verb {
        "stop" => Order::Stop,
        "kill" => Order::Kill,
        "freeze" => Order::Freeze,
        "thaw" => Order::Thaw,
        _ => {
            let variable = |word: &str| {
                let (name, value) = word
                    .split_once('=')
                    .with_context(|| format!("`{word}` is no VARIABLE=VALUE"))?;
                Ok((name.to_owned(), value.to_owned()))
            };
            Order::Start(words.map(variable).collect::<anyhow::Result<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_understood_as_it_is_printed() {
        let jitter = Duration::from_millis(50);
        let variables = vec![("AJET_FAILPOINT".to_owned(), "before_commit:3".to_owned())];
        let disturb = |toxic, way| Request::Disturb("gw-api-1,api-1-nats".to_owned(), toxic, way);
        let process = |order| Request::Process("api-1".to_owned(), order);
        for request in [
            Request::Edges,
            Request::Processes,
            disturb(Toxic::Latency(Duration::from_millis(200), jitter), Way::Down),
            disturb(Toxic::Bandwidth(NonZeroU64::new(10_000).unwrap()), Way::Both),
            disturb(Toxic::Stall, Way::Up),
            disturb(Toxic::Drop, Way::Both),
            disturb(Toxic::Reset, Way::Both),
            disturb(Toxic::Cut, Way::Both),
            disturb(Toxic::Restore, Way::Both),
            process(Order::Stop),
            process(Order::Kill),
            process(Order::Start(Vec::new())),
            process(Order::Start(variables)),
            process(Order::Freeze),
            process(Order::Thaw),
        ] {
            assert_eq!(request.to_string().parse::<Request>().unwrap(), request, "{request}");
        }
        let short: Request = "latency all 200".parse().unwrap();
        let toxic = Toxic::Latency(Duration::from_millis(200), Duration::ZERO);
        assert_eq!(short, Request::Disturb("all".to_owned(), toxic, Way::Both));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, says) in [
            ("", "an empty line is no request"),
            ("explode all", "there is no request `explode`"),
            ("cut", "`cut` which edges?"),
            ("stop", "`stop` which process?"),
            ("cut all up", "`cut` knows nothing of `up`"),
            ("stall all sideways", "`stall` knows nothing of `sideways`"),
            ("latency all", "`latency` of how many milliseconds?"),
            ("latency all soon", "the latency is a number of milliseconds"),
            ("bandwidth all 0", "bytes a second are a number above 0"),
            ("start api-1 now", "`now` is no VARIABLE=VALUE"),
            ("stop api-1 now", "`stop` knows nothing of `now`"),
            ("edges all", "`edges` knows nothing of `all`"),
        ] {
            assert_eq!(line.parse::<Request>().unwrap_err().to_string(), says, "{line}");
        }
    }
}
