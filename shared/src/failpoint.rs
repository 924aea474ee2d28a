//! Points at which a fault test lets a process die, in builds with debug assertions only (profiles `dev` and `checked`); a release build has
//! none of this.
//!
//! `AJET_FAILPOINT=<name>:<nth>` ends the process with SIGABRT, without any cleaning up, when it comes to that point for the nth time.

/// Sets the point and the time.
#[cfg(debug_assertions)]
const VARIABLE: &str = "AJET_FAILPOINT";

/// A point on the way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// A message is written but not committed (`before_commit`).
    BeforeCommit,
    /// It is committed, and its author does not know yet (`after_commit`).
    AfterCommit,
    /// The stream has acknowledged an event, and the outbox does not know yet (`after_ack`).
    AfterAck,
}

impl Failpoint {
    /// Says that this point is reached, which may be the end.
    #[cfg(debug_assertions)]
    pub fn reached(self) {
        debug::reached(self);
    }

    /// Says that this point is reached.
    #[cfg(not(debug_assertions))]
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "nothing of it may be left")]
    pub const fn reached(self) {}
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Failpoint, VARIABLE};

    /// Where to die.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Setting {
        point: Failpoint,
        nth: u64,
    }

    pub(super) fn reached(point: Failpoint) {
        static SETTING: LazyLock<Option<Setting>> = LazyLock::new(setting);
        static TIMES: AtomicU64 = AtomicU64::new(0);
        let Some(setting) = SETTING.as_ref().filter(|setting| setting.point == point) else {
            return;
        };
        if TIMES.fetch_add(1, Ordering::Relaxed) + 1 == setting.nth {
            eprintln!("{VARIABLE}: {point:?} is reached");
            std::process::abort();
        }
    }

    fn setting() -> Option<Setting> {
        let text = std::env::var(VARIABLE).ok()?;
        let setting = parse(&text);
        if setting.is_none() {
            // A test that meant another point would find everything well.
            eprintln!(
                "{VARIABLE} is wrong ({text}), for example {VARIABLE}=before_commit:3; there are before_commit, after_commit and after_ack"
            );
            std::process::exit(2);
        }
        setting
    }

    pub(super) fn parse(text: &str) -> Option<Setting> {
        let (name, nth) = text.split_once(':')?;
        let point = match name {
            "before_commit" => Failpoint::BeforeCommit,
            "after_commit" => Failpoint::AfterCommit,
            "after_ack" => Failpoint::AfterAck,
            _ => return None,
        };
        let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
        Some(Setting { point, nth })
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Output};

    use super::{Failpoint, VARIABLE, debug};

    /// Lets the test below play a process.
    const PLAY: &str = "AJET_TEST_PLAY_A_PROCESS";

    #[test]
    fn plays_a_process() {
        if std::env::var_os(PLAY).is_some() {
            for time in 1..=3 {
                Failpoint::BeforeCommit.reached();
                println!("passed {time}");
                Failpoint::AfterCommit.reached();
            }
        }
    }

    /// What becomes of a process with this setting.
    fn process(setting: Option<&str>) -> Output {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["failpoint::tests::plays_a_process", "--exact", "--nocapture"]);
        process.env(PLAY, "yes").env_remove(VARIABLE);
        process.envs(setting.map(|setting| (VARIABLE, setting)));
        process.output().unwrap()
    }

    fn passed(output: &Output) -> usize {
        String::from_utf8_lossy(&output.stdout).matches("passed").count()
    }

    #[test]
    fn the_process_dies_there_at_the_nth_time_and_nowhere_else() {
        const SIGABRT: i32 = 6;
        let output = process(Some("before_commit:3"));
        assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).matches("passed ").count(), 2);
        for setting in [None, Some("before_commit:4"), Some("after_ack:1")] {
            let output = process(setting);
            assert!(output.status.success() && passed(&output) >= 3, "{setting:?}: {output:?}");
        }
    }

    #[test]
    fn a_setting_that_means_nothing_is_not_passed_over() {
        let output = process(Some("before_comit:3"));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        for wrong in ["", "before_commit", "before_commit:", "before_commit:0", "after:1"] {
            assert_eq!(debug::parse(wrong), None, "{wrong}");
        }
    }
}
