//! The aims of the server, and whether it reached them.

use std::fmt::Write as _;

/// The aims, as rows of the table at the end.
#[derive(Default)]
pub(crate) struct Aims(String);

impl Aims {
    /// The figure should be at most this.
    pub(crate) fn at_most(&mut self, what: &str, bar: f64, measured: f64, unit: &str) {
        self.row(what, "at most", bar, measured, unit, measured <= bar);
    }

    /// The figure should be at least this.
    pub(crate) fn at_least(&mut self, what: &str, bar: f64, measured: f64, unit: &str) {
        self.row(what, "at least", bar, measured, unit, measured >= bar);
    }

    fn row(&mut self, what: &str, how: &str, bar: f64, measured: f64, unit: &str, met: bool) {
        // What was not measured is not judged.
        if bar.is_nan() || measured.is_nan() {
            return;
        }
        let (bar, measured) = (number(bar), number(measured));
        let verdict = if met { "met" } else { "missed" };
        // Writing to a string does not fail.
        let _ = writeln!(
            self.0,
            "| {what} | {how} {bar}{unit} | {measured}{unit} | {verdict} |"
        );
    }

    pub(crate) fn print(&self) {
        if !self.0.is_empty() {
            println!("\n| what | aim | measured | |\n| --- | --- | --: | --- |");
            print!("{}", self.0);
        }
    }
}

/// The figure with as many digits as are significant.
fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        small if small < 10.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_aim_says_whether_it_was_met() {
        let mut aims = Aims::default();
        aims.at_most("cost", 1.0, 1.004, "");
        aims.at_most("cost, to a server that was not there", 1.0, f64::NAN, "");
        aims.at_least("speed", 15_000.0, 15_000.0, " a second");
        assert_eq!(
            aims.0,
            "| cost | at most 1.00 | 1.00 | missed |\n\
             | speed | at least 15000 a second | 15000 a second | met |\n"
        );
    }
}
