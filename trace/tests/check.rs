//! Logs of runs that keep the rules are clean; each planted fault is found, under its name.

mod support;

use support::{assert_clean, run};

#[test]
fn runs_that_keep_the_rules_are_clean() {
    for seed in 0..200 {
        assert_clean(&run(seed, 600));
    }
}

#[test]
fn so_is_every_subset_of_their_logs() {
    for seed in 0..60 {
        let logs = run(seed, 400);
        for (number, name) in logs.keys().enumerate() {
            let mut without = logs.clone();
            without.remove(name);
            assert_clean(&without);
            let only = logs.iter().skip(number).take(2);
            assert_clean(
                &only
                    .map(|(name, lines)| (name.clone(), lines.clone()))
                    .collect(),
            );
        }
    }
}
