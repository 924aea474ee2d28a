//! The faults: what is done, what is promised, and where the test of it is. Source: delivery-and-security.md section 4.

/// A row of the fault matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number; `F12` is 12. The names of its tests begin with `f12_`.
    pub number: u8,
    /// What is done.
    pub what: &'static str,
    /// What must come of it.
    pub promise: &'static str,
    /// Where its tests are.
    pub home: Home,
    /// Chance has a part in it, so that another seed is another test.
    pub seeded: bool,
    /// What it runs beside, in full length.
    pub lane: Lane,
    /// Part of `cargo xtask test`.
    pub short: bool,
}

/// Where the tests of a fault are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the test program `faults` of this crate.
    Faults,
    /// Among the contract tests of the wire, `shared/tests/wire.rs`.
    Wire,
    /// Among the browser's stories, `e2e/specs`.
    Browser,
}

/// Faults of one lane run one after the other; the first lane alone, the others beside each other after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Times are measured: nothing is beside it.
    Timed,
    /// Drawn from a seed, and run with several.
    Chances,
    /// Breaks one thing hundreds of times, or waits for minutes.
    Restarts,
}

impl Fault {
    /// `F12`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("F{}", self.number)
    }

    /// What the names of its tests begin with: `f12_`.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("f{:02}_", self.number)
    }

    const fn seeded(self) -> Self {
        Self { seeded: true, ..self }
    }

    const fn short(self) -> Self {
        Self { short: true, ..self }
    }

    const fn lane(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    const fn home(self, home: Home) -> Self {
        Self { home, ..self }
    }
}

const fn fault(number: u8, what: &'static str, promise: &'static str) -> Fault {
    let (home, lane) = (Home::Faults, Lane::Timed);
    Fault { number, what, promise, home, seeded: false, lane, short: false }
}

/// All of them, by number.
pub const MATRIX: [Fault; 45] = [
    fault(1, "50 random kill -9 of any process during 10,000 messages (short: 10 and 2,000)", "nothing lost, doubled or out of order; no resync").seeded().lane(Lane::Chances).short(),
    fault(2, "the api whose relay leads is killed", "a standby takes over; no gap in events longer than 1.5 s"),
    fault(3, "an api dies inside the transaction, before the commit and after it, 1,000 times each (short: 20)", "the repeated request is answered 201 or 200, and there is one row").lane(Lane::Restarts).short(),
    fault(4, "an api dies between the stream's acknowledgement and its note, 500 times (short: 20)", "no event is in the stream twice").lane(Lane::Restarts).short(),
    fault(5, "a web session manager with 500 streams is killed", "all 500 go on at the other one within 6 s, without a resync").short(),
    fault(6, "NATS is killed and comes back", "posting goes on, p99 below 200 ms; events flow 3 s after it is back").short(),
    fault(7, "NATS is down for 15 minutes, longer than it remembers ids (short: 30 s, and remembers 2 s)", "nothing comes twice; 9,000 waiting events are out within 30 s"),
    fault(8, "NATS comes back with an older copy of its store", "a new epoch, one resync for each reader, nothing lost; within 10 s").short(),
    fault(9, "the store of NATS is deleted", "stream made anew, a new epoch, the last day published again, nothing lost; within 20 s"),
    fault(10, "the disk of NATS is full, with and without a bound on the stream", "posting goes on, the lag is told, all is published when there is space and NATS was restarted; nothing lost"),
    fault(11, "Postgres is killed", "503 within 3 s and no request hangs; back within 6 s; nothing lost").short(),
    fault(12, "Postgres stands still for 20 s", "503 by time-outs, no request longer than 6 s, open streams stay; nothing lost"),
    fault(13, "the disk of Postgres is full", "503, reading goes on; nothing acknowledged is lost"),
    fault(14, "Postgres has no connection left", "503 where one is needed, signing requests in goes on"),
    fault(15, "somebody else's transaction holds one channel for 10 s", "other channels: p99 below 200 ms; that one: at most 5 s"),
    fault(16, "NATS stands still for 10 s", "nothing lost, doubled or out of order"),
    fault(17, "a web session manager stands still for 60 s", "its readers are elsewhere within 50 s; nothing lost"),
    fault(18, "the api whose relay leads stands still for 30 s and goes on as if it led", "nothing doubled, nothing out of order"),
    fault(19, "session managers are cut off from NATS for 30 s", "they go on where they were; no resync"),
    fault(20, "session managers are cut off from the apis for 30 s", "events flow, to who comes back, too; pages are 503; nobody sees what is not theirs"),
    fault(21, "the api is cut off from NATS, then from Postgres, then the gateway from the apis, 30 s each", "as F6 and F11; the gateway answers problem+json"),
    fault(22, "clients vanish without a word", "the server lets go of them within 45 s, and their watchdogs of it"),
    fault(23, "every connection of the clients is reset each 1 to 3 s, for 5 minutes (short: 30 s)", "nothing lost or doubled; no resync").lane(Lane::Restarts),
    fault(24, "one client is slow: 200 ms and 10 kB/s", "only that one is told to draw anew; the others' p99 does not change"),
    fault(25, "1,000 clients never read", "at most 1.2 MiB of memory for each; events reach the others, p99 below 50 ms"),
    fault(26, "every service is restarted by SIGTERM under load, one after the other", "no post fails; one reconnect for each page, spread over 4 s or more").short(),
    fault(27, "2,000 clients come back at once", "served from memory: at most 10 % more calls of the api; all live within 15 s"),
    fault(28, "cursors that are too old, garbage, from the future, of another epoch, or of before all that is kept", "one resync each, and a correct page"),
    fault(29, "clocks of apis are wrong by an hour and by two days, and differ", "order is by number; what expires, expires by the database's clock"),
    fault(30, "clocks jump while messages flow", "no negative time, no panic, nothing out of order"),
    fault(31, "the object store is down", "messages go on, those of webhooks without a file for their whole text; files answer 503"),
    fault(32, "a session manager and a gateway may open 256 files", "refuses, does not crash; well again 5 s after the limit is lifted"),
    fault(33, "a session manager runs out of memory and is killed", "started again; its readers resume; nothing lost"),
    fault(34, "unknown events, unknown fields, broken JSON and the largest event there may be are in the stream", "skipped and counted; nothing stops"),
    fault(35, "an event that can never be published is in the outbox", "set aside after 5 tries; the others of its channel go on within 10 s, with one resync for each reader"),
    fault(36, "events of an older and of a newer version", "both are read").home(Home::Wire),
    fault(37, "a migration waits for a lock under load", "gives way soon, 2 s at most, and tries again; no post fails"),
    fault(38, "one message is posted 50 times at once, 1,000 rounds (short: 20)", "one answer is 201, 49 are 200").short(),
    fault(39, "somebody is removed while 100 messages a second or more flow (short: 50)", "they get no event after their removal, of 10,000 (short: 500)").seeded().short(),
    fault(40, "a session with an open page and an open terminal is revoked", "both end within 1 s; within 35 s when NATS is down"),
    fault(41, "1,000 edits, deletions and reactions race (short: 100)", "every client shows what the database says").seeded().lane(Lane::Chances),
    fault(42, "Postgres is restored from a backup that is older than the stream", "a new epoch and a new stream; nobody sees what is not in the database"),
    fault(43, "gateways are killed", "nobody is signed out"),
    fault(44, "the sign-in provider is slow, fails, answers nonsense", "a page that says so within 6 s; nobody else notices"),
    fault(45, "a browser is offline, hidden, or its laptop asleep for 5 minutes (short: seconds)", "goes on without a reload, live 5 s after it is back").home(Home::Browser).lane(Lane::Restarts),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_numbered() {
        for (fault, number) in MATRIX.iter().zip(1..) {
            assert_eq!(fault.number, number);
        }
        assert_eq!((MATRIX[0].id(), MATRIX[0].prefix()), ("F1".to_owned(), "f01_".to_owned()));
    }

    #[test]
    fn the_short_set_is_the_one_that_was_asked_for() {
        let short: Vec<u8> =
            MATRIX.iter().filter(|fault| fault.short).map(|fault| fault.number).collect();
        assert_eq!(short, [1, 3, 4, 5, 6, 8, 11, 26, 38, 39]);
    }
}
