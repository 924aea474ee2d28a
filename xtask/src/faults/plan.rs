//! Which faults are run, with which seeds, and what runs beside what.

use ajet_faults::{Fault, Lane, MATRIX};

/// Seeds of a run in full length that was given none.
const SEEDS_LONG: usize = 3;
/// Seeds that are drawn are below this: they have to be typed.
const SEED_MAX: u64 = 1_000_000;

/// Lanes that run beside each other: those of one lane follow each other.
pub(super) type Stage = Vec<Vec<Task>>;

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

/// What is run, in stages that follow each other. First what holds times, one after the other and nothing beside it; then the lanes of
/// what is long and counts. In their short forms all follow each other.
pub(super) fn stages(only: &[u8], seeds: &[u64], long: bool) -> Vec<Stage> {
    let chosen = || MATRIX.iter().filter(|fault| only.is_empty() || only.contains(&fault.number));
    let tasks = |faults: &mut dyn Iterator<Item = &Fault>| -> Vec<Task> {
        let each = |fault: &Fault| {
            let fault = *fault;
            let drawn = if fault.seeded { seeds } else { &seeds[..seeds.len().min(1)] };
            drawn.iter().map(move |seed| Task { fault, seed: *seed, long }).collect::<Vec<_>>()
        };
        faults.flat_map(each).collect()
    };
    let lane = |lane: Lane| tasks(&mut chosen().filter(|fault| fault.lane == lane));
    let mut stages = if long {
        let beside = [Lane::Chances, Lane::Restarts].map(lane);
        vec![vec![lane(Lane::Timed)], beside.into()]
    } else {
        vec![vec![tasks(&mut chosen())]]
    };
    for stage in &mut stages {
        stage.retain(|lane| !lane.is_empty());
    }
    stages.retain(|stage| !stage.is_empty());
    stages
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
        let stages = stages(&[], &[7], false);
        assert_eq!((stages.len(), stages[0].len()), (1, 1));
        let numbers: Vec<u8> = stages[0][0].iter().map(|task| task.fault.number).collect();
        assert_eq!(numbers, (1..=45).collect::<Vec<_>>());
        assert!(stages[0][0].iter().all(|task| task.seed == 7 && !task.long));
    }

    #[test]
    fn a_long_run_repeats_what_chance_has_a_part_in_and_measures_times_alone() {
        let stages = stages(&[], &[7, 8, 9], true);
        let run = |number: u8| -> Vec<u64> {
            let tasks = stages.iter().flatten().flatten();
            let tasks = tasks.filter(|task| task.fault.number == number);
            tasks.map(|task| task.seed).collect()
        };
        assert_eq!((run(1), run(2)), (vec![7, 8, 9], vec![7]));
        let place = |number: u8| {
            let mut lanes = stages.iter().enumerate().flat_map(|(stage, lanes)| {
                lanes.iter().enumerate().map(move |(lane, tasks)| (stage, lane, tasks))
            });
            lanes
                .find(|(.., tasks)| tasks.iter().any(|task| task.fault.number == number))
                .map(|(stage, lane, _)| (stage, lane))
        };
        assert_eq!(stages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
        assert_eq!([place(2), place(7)], [Some((0, 0)); 2]);
        assert_eq!([place(1), place(3), place(45)], [0, 1, 1].map(|lane| Some((1, lane))));
    }

    #[test]
    fn some_may_be_chosen() {
        let stages = stages(&[2, 12], &[7, 8], true);
        let tasks = stages.iter().flatten().flatten();
        let tasks: Vec<_> = tasks.map(|task| (task.fault.number, task.seed)).collect();
        assert_eq!((stages.len(), tasks), (1, vec![(2, 7), (12, 7)]));
    }
}
