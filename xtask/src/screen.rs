//! Measures what the client's screen costs.

use crate::{
    install,
    run::{Failed, Step, shipped},
};

/// The arguments are those of the benchmark.
pub(crate) fn bench(arguments: &[String]) -> Result<(), Failed> {
    install::other_clients()?;
    let folder = shipped(&["chitty", "chitty-screen-bench"])?;
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Step::new(folder.join("chitty-screen-bench"))
        .args(&arguments)
        .run()
}
