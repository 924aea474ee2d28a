//! The time, as the database keeps it.

use time::OffsetDateTime;
use uuid::Uuid;

/// Now in UTC, cut to the microseconds that Postgres' `timestamptz` keeps, so that a value survives the round trip unchanged.
#[must_use]
pub fn now() -> OffsetDateTime {
    let now = shifted(OffsetDateTime::now_utc());
    now.replace_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
}

/// A new UUIDv7 (RFC 9562 section 5.7) of now; those made by one process ascend.
#[must_use]
pub fn uuid() -> Uuid {
    #[cfg(debug_assertions)]
    if let Some(id) = skew::uuid() {
        return id;
    }
    Uuid::now_v7()
}

/// As a clock that is wrong would tell it.
#[cfg(debug_assertions)]
fn shifted(now: OffsetDateTime) -> OffsetDateTime {
    now + skew::offset()
}

/// As it is: only builds with debug assertions (profiles `dev` and `checked`) can have a wrong clock.
#[cfg(not(debug_assertions))]
const fn shifted(now: OffsetDateTime) -> OffsetDateTime {
    now
}

/// A wrong clock for fault tests: `AJET_CLOCK_OFFSET` seconds, also below 0. `AJET_CLOCK_OFFSET=@FILE` is a clock that
/// jumps: the file holds the seconds, and is read whenever the time is.
#[cfg(debug_assertions)]
mod skew {
    use std::path::PathBuf;
    use std::sync::{LazyLock, Mutex};

    use time::{Duration, OffsetDateTime};
    use uuid::{ContextV7, Timestamp, Uuid};

    const VARIABLE: &str = "AJET_CLOCK_OFFSET";
    /// A hundred years: what is further is a mistake, and would leave what dates can be.
    const MOST: i64 = 100 * 366 * 86_400;

    /// What says how far the clock is ahead.
    enum Source {
        Fixed(Duration),
        File(PathBuf),
    }

    /// Of this process; none where the clock is right.
    static SOURCE: LazyLock<Option<Source>> = LazyLock::new(|| {
        let text = std::env::var(VARIABLE).ok()?;
        if let Some(file) = text.strip_prefix('@') {
            return Some(Source::File(file.into()));
        }
        let Some(offset) = parse(&text) else {
            eprintln!("{VARIABLE} is wrong ({text}), for example {VARIABLE}=-3600 for an hour");
            std::process::exit(2);
        };
        Some(Source::Fixed(offset))
    });

    /// How far the clock is ahead.
    pub(super) fn offset() -> Duration {
        match &*SOURCE {
            None => Duration::ZERO,
            Some(Source::Fixed(offset)) => *offset,
            // A file that cannot be read says nothing.
            Some(Source::File(file)) => std::fs::read_to_string(file)
                .ok()
                .and_then(|text| parse(text.trim()))
                .unwrap_or(Duration::ZERO),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Duration> {
        let seconds = text.parse::<i64>().ok().filter(|seconds| seconds.abs() <= MOST)?;
        Some(Duration::seconds(seconds))
    }

    /// An id of the wrong time, where it is wrong.
    pub(super) fn uuid() -> Option<Uuid> {
        static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        SOURCE.as_ref()?;
        let now = OffsetDateTime::now_utc() + offset();
        let seconds = u64::try_from(now.unix_timestamp()).ok()?;
        let context = CONTEXT.lock().ok()?;
        Some(Uuid::new_v7(Timestamp::from_unix(&*context, seconds, now.nanosecond())))
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use std::process::Command;

    use time::{Duration, OffsetDateTime};

    use super::{now, skew, uuid};

    /// Lets the test below play a process.
    const PLAY: &str = "AJET_TEST_PLAY_A_CLOCK";

    #[test]
    fn plays_a_process() {
        if std::env::var_os(PLAY).is_some() {
            let ids = [uuid(), uuid(), uuid()];
            assert!(ids.is_sorted(), "{ids:?}");
            let (of_id, _) = ids[0].get_timestamp().unwrap().to_unix();
            println!("\nclock {} {of_id}", now().unix_timestamp());
        }
    }

    /// How far the time of a process with this setting is off, and that of its ids; nothing when it does not run.
    fn off(setting: Option<&str>) -> Option<[i64; 2]> {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["clock::tests::plays_a_process", "--exact", "--nocapture"]);
        process.env(PLAY, "yes").env_remove("AJET_CLOCK_OFFSET");
        process.envs(setting.map(|setting| ("AJET_CLOCK_OFFSET", setting)));
        let output = process.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("clock "))?;
        let (now, of_id) = line.split_once(' ').unwrap();
        let real = OffsetDateTime::now_utc().unix_timestamp();
        Some([now, of_id].map(|told| told.parse::<i64>().unwrap() - real))
    }

    #[test]
    fn a_clock_can_be_wrong_and_its_ids_with_it() {
        for (setting, expected) in [(None, 0), (Some("-3600"), -3_600), (Some("172800"), 172_800)] {
            for off in off(setting).unwrap() {
                assert!((off - expected).abs() <= 5, "{setting:?}: {off}");
            }
        }
        let file = std::env::temp_dir().join(format!("ajet-clock-{}", std::process::id()));
        let jumping = format!("@{}", file.display());
        for (text, expected) in [("7200", 7_200), ("-60\n", -60), ("late", 0)] {
            std::fs::write(&file, text).unwrap();
            for off in off(Some(&jumping)).unwrap() {
                assert!((off - expected).abs() <= 5, "{text}: {off}");
            }
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(off(Some("late")), None);
        assert_eq!(skew::parse("-5"), Some(Duration::seconds(-5)));
        assert_eq!(skew::parse("99999999999"), None);
    }
}
