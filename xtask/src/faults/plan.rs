//! Which faults are run, with which seeds, and what runs beside what.

use ajet_faults::{Fault, Lane, MATRIX};

/// Seeds of a run in full length that was given none.
const SEEDS_LONG: usize = 3;
/// Seeds that are drawn are below this: they have to be typed.
const SEED_MAX: u64 = 1_000_000;

/// One fault with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) fault: Fault,
    pub(super) seed: u64,
    pub(super) long: bool,
}

impl Task {
    /// What is done. The matrix says in brackets how the short form differs, which is of no interest in full length.
    pub(super) fn what(&self) -> String {
        let what = self.fault.what;
        match what.split_once(" (short: ") {
            Some((before, after)) if self.long => {
                format!("{before}{}", after.split_once(')').map_or("", |(_, rest)| rest))
            }
            _ => what.to_owned(),
        }
    }

    /// How it is run again.
    pub(super) fn again(&self) -> String {
        let long = if self.long { " --long" } else { "" };
        format!("cargo xtask faults --only {} --seed {}{long}", self.fault.id(), self.seed)
    }
}

/// Those that were given, else one, or in full length three.
pub(super) fn seeds(given: &[u64], long: bool) -> Vec<u64> {
    let mut seeds = given.to_vec();
    let wanted = match (given.is_empty(), long) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => SEEDS_LONG,
    };
    while seeds.len() < wanted {
        seeds.push(rand::random_range(0..SEED_MAX));
        seeds.sort_unstable();
        seeds.dedup();
    }
    seeds
}

/// What is run, in lanes: those of one lane follow each other, lanes are beside each other. In its short form no fault is patient, and
/// there is one lane, in which nothing disturbs what is measured.
pub(super) fn lanes(only: &[u8], seeds: &[u64], long: bool) -> Vec<Vec<Task>> {
    let chosen = || MATRIX.iter().filter(|fault| only.is_empty() || only.contains(&fault.number));
    let tasks = |faults: &mut dyn Iterator<Item = &Fault>| -> Vec<Task> {
        let each = |fault: &Fault| {
            let fault = *fault;
            let drawn = if fault.seeded { seeds } else { &seeds[..seeds.len().min(1)] };
            drawn.iter().map(move |seed| Task { fault, seed: *seed, long }).collect::<Vec<_>>()
        };
        faults.flat_map(each).collect()
    };
    let mut lanes = if long {
        [Lane::Timed, Lane::Chances, Lane::Restarts, Lane::Waits]
            .map(|lane| tasks(&mut chosen().filter(|fault| fault.lane == lane)))
            .into()
    } else {
        vec![tasks(&mut chosen())]
    };
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_length_leaves_out_what_is_short() {
        let task = |number: usize, long| Task { fault: MATRIX[number - 1], seed: 7, long };
        assert!(task(1, false).what().ends_with("(short: 10 and 2,000)"));
        for fault in MATRIX {
            let what = Task { fault, seed: 7, long: true }.what();
            assert!(!what.contains("short:") && !what.contains("  "), "{what}");
        }
        assert_eq!(task(2, false).again(), "cargo xtask faults --only F2 --seed 7");
    }

    #[test]
    fn seeds_are_given_or_drawn() {
        assert_eq!(seeds(&[7, 7], true), [7, 7], "as they were typed");
        assert_eq!(seeds(&[], false).len(), 1);
        let drawn = seeds(&[], true);
        assert_eq!(drawn.len(), 3);
        assert!(drawn.is_sorted() && drawn.iter().all(|seed| *seed < SEED_MAX));
    }

    #[test]
    fn a_short_run_is_every_fault_once_one_after_the_other() {
        let lanes = lanes(&[], &[7], false);
        assert_eq!(lanes.len(), 1);
        let numbers: Vec<u8> = lanes[0].iter().map(|task| task.fault.number).collect();
        assert_eq!(numbers, (1..=45).collect::<Vec<_>>());
        assert!(lanes[0].iter().all(|task| task.seed == 7 && !task.long));
    }

    #[test]
    fn a_long_run_repeats_what_chance_has_a_part_in_and_lets_the_patient_wait_aside() {
        let lanes = lanes(&[], &[7, 8, 9], true);
        let run = |number: u8| -> Vec<u64> {
            let tasks = lanes.iter().flatten().filter(|task| task.fault.number == number);
            tasks.map(|task| task.seed).collect()
        };
        assert_eq!((run(1), run(2)), (vec![7, 8, 9], vec![7]));
        let lane = |number: u8| {
            lanes.iter().position(|lane| lane.iter().any(|task| task.fault.number == number))
        };
        assert_eq!(lanes.len(), 4);
        assert_eq!((lane(2), lane(1), lane(3), lane(7)), (Some(0), Some(1), Some(2), Some(3)));
    }

    #[test]
    fn some_may_be_chosen() {
        let lanes = lanes(&[2, 12], &[7, 8], true);
        let tasks: Vec<_> =
            lanes.iter().flatten().map(|task| (task.fault.number, task.seed)).collect();
        assert_eq!((lanes.len(), tasks), (1, vec![(2, 7), (12, 7)]));
    }
}
