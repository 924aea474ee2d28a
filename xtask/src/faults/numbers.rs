//! What was measured, over all runs of a fault.

use ajet_faults::Number;

/// One thing measured, once or more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// What.
    pub(super) what: String,
    /// The values, in the order of the runs.
    pub(super) values: Vec<String>,
    /// What they were held to; empty when they were only looked at.
    pub(super) limit: String,
}

/// Gathers what was measured again and again under one name.
pub(super) fn gather<'a>(numbers: impl IntoIterator<Item = &'a Number>) -> Vec<Measured> {
    let mut gathered: Vec<Measured> = Vec::new();
    for Number { what, value, limit } in numbers {
        match gathered.iter_mut().find(|measured| measured.what == *what) {
            Some(measured) => measured.values.push(value.clone()),
            None => gathered.push(Measured {
                what: what.clone(),
                values: vec![value.clone()],
                limit: limit.clone(),
            }),
        }
    }
    gathered
}

impl Measured {
    /// `slowest answer 4.1 s (≤ 6 s)`, `recovery 1.2 s (0.9 s, 1.2 s, 1.1 s; ≤ 1.5 s)`: the worst one, all of them where they differ, and
    /// the limit where it says more than the value.
    pub(super) fn sentence(&self) -> String {
        let Self { what, values, limit } = self;
        let differ = values.iter().any(|value| *value != values[0]);
        let mut beside = Vec::new();
        if differ {
            beside.push(values.join(", "));
        }
        if !limit.is_empty() && (differ || *limit != values[0]) {
            beside.push(limit.clone());
        }
        let beside =
            if beside.is_empty() { String::new() } else { format!(" ({})", beside.join("; ")) };
        format!("{what} {}{beside}", self.worst())
    }

    /// The value that is furthest on the wrong side.
    pub(super) fn worst(&self) -> &str {
        let by_size = |a: &&String, b: &&String| size(a).total_cmp(&size(b));
        let worst = if self.limit.starts_with('≥') {
            self.values.iter().min_by(by_size)
        } else {
            self.values.iter().max_by(by_size)
        };
        worst.map_or("", String::as_str)
    }
}

/// How much a value is: `1.2 s`, `340 ms`, `1,000`, `0.91 MiB`. What is no number is nothing.
pub(super) fn size(value: &str) -> f64 {
    let end =
        value.find(|letter: char| !matches!(letter, '0'..='9' | '.' | ',')).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let number: f64 = number.replace(',', "").parse().unwrap_or(0.0);
    let scale = match unit.trim() {
        "µs" => 1e-6,
        "ms" => 1e-3,
        "min" => 60.0,
        "KiB" | "kB" => 1e3,
        "MiB" | "MB" => 1e6,
        _ => 1.0,
    };
    number * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(what: &str, value: &str, limit: &str) -> Number {
        Number { what: what.to_owned(), value: value.to_owned(), limit: limit.to_owned() }
    }

    #[test]
    fn the_worst_comes_first_and_all_where_they_differ() {
        let numbers = [
            number("recovery", "900 ms", "≤ 1.5 s"),
            number("lost", "0", "0"),
            number("recovery", "1.2 s", "≤ 1.5 s"),
            number("lost", "0", "0"),
            number("spread", "4.4 s", "≥ 4.0 s"),
            number("spread", "5.1 s", "≥ 4.0 s"),
            number("memory", "12.50 MiB", ""),
        ];
        let sentences: Vec<String> = gather(&numbers).iter().map(Measured::sentence).collect();
        assert_eq!(
            sentences,
            [
                "recovery 1.2 s (900 ms, 1.2 s; ≤ 1.5 s)",
                "lost 0",
                "spread 4.4 s (4.4 s, 5.1 s; ≥ 4.0 s)",
                "memory 12.50 MiB",
            ]
        );
    }

    #[test]
    fn values_have_units() {
        assert!(size("340 ms") < size("0.4 s"));
        assert!(size("2 min") > size("90 s"));
        assert!((size("1,000") - 1000.0).abs() < 1e-9);
        assert!(size("none").abs() < 1e-9);
    }
}
