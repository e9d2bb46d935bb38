//! A few dozen seeds; `cargo run -p chitty-sim -- --seeds 0..5000` runs more.

use chitty_sim::{SimRun, run};

fn check(run: &SimRun) {
    let again = format!(
        "run it again alone: CHITTY_SIM_SEED={} cargo test -p chitty-sim one_seed -- --nocapture",
        run.seed
    );
    let broken: Vec<String> = run.broken_rules.iter().map(ToString::to_string).collect();
    assert!(
        broken.is_empty(),
        "seed {}:\n{}\n{again}",
        run.seed,
        broken.join("\n")
    );
}

#[test]
fn some_seeds() {
    let mut events = 0;
    for seed in 0..60 {
        let run = run(seed);
        check(&run);
        events += run.events;
    }
    // Runs without events would prove nothing.
    assert!(events > 3000, "{events}");
}

#[test]
fn one_seed() {
    let seed = std::env::var("CHITTY_SIM_SEED").map_or(Ok(1), |seed| seed.parse());
    let run = run(seed.expect("CHITTY_SIM_SEED is a number"));
    for line in &run.lines {
        print!("{line}");
    }
    check(&run);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 100..130 {
        let (first, second) = (run(seed), run(seed));
        let same = first
            .lines
            .iter()
            .zip(&second.lines)
            .take_while(|(a, b)| a == b)
            .count();
        let (first, second) = (first.lines.get(same), second.lines.get(same));
        assert_eq!(first, second, "seed {seed}, line {same}");
    }
}
