//! What the person at the terminal sees.
//!
//! Everything goes to standard error: standard output belongs to what a command is asked to print (a token, the
//! output of `with-stack`'s command).

use std::fmt::Display;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Says something in passing.
pub(crate) fn note(text: impl Display) {
    eprintln!("  {text}");
}

/// Says what went wrong, with its causes, in one line.
pub(crate) fn error(error: &anyhow::Error) {
    let (on, off) =
        if std::io::stderr().is_terminal() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{on}error:{off} {error:#}");
}

/// Something that takes a while.
#[derive(Debug)]
pub(crate) struct Step {
    what: &'static str,
    begun: Instant,
}

impl Step {
    /// Begins silently; the line comes when it is done.
    pub(crate) fn quiet(what: &'static str) -> Self {
        Self { what, begun: Instant::now() }
    }

    /// Begins and says so, because it may be long.
    pub(crate) fn announced(what: &'static str, doing: impl Display) -> Self {
        eprintln!("  {what:<12} {doing} …");
        Self::quiet(what)
    }

    /// Done: says what came out and how long it took.
    pub(crate) fn done(self, outcome: impl Display) {
        eprintln!("  {:<12} {outcome} ({})", self.what, seconds(self.begun.elapsed()));
    }
}

/// A duration as people read it.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, seconds};

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
