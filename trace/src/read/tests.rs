use super::*;

const SERVER_LOG: &str = "\
2026-11-23T01:02:00.000102Z server run=a1b2c3d4 Server started address=127.0.0.1:50051 epoch=d908 position=0 first=1
2026-11-23T01:02:01.100311Z server run=a1b2c3d4 Join received lamport=1 name=ada session=9f86d081 clock=2
2026-11-23T01:02:01.100312Z server run=a1b2c3d4 log warn target=x message=\"hi\"
2026-11-23T01:02:01.101544Z server run=a1b2c3d4 Broadcast sent lamport=3 position=1 kind=joined participant=1 name=ada text=\"Participant ada joined Chitty-Chat at Lamport time 3\" request=1 clock=3
2026-11-23T01:02:01.101601Z server run=a1b2c3d4 Join granted lamport=3 position=1 participant=1 generation=1 resumed=false next=1 head=1
";

fn read(text: &str) -> Trace {
    Trace::from_sources(vec![LogSource::memory("server.log", text)]).unwrap()
}

#[test]
fn a_log_is_read_into_steps_with_their_lines() {
    let trace = read(SERVER_LOG);
    assert_eq!(
        (trace.runs.len(), trace.lines, trace.unreadable.len()),
        (1, 5, 0)
    );
    let run = &trace.runs[0];
    assert!(run.server && run.begun && !run.ended);
    assert_eq!(run.steps.len(), 4);
    let StepKind::BroadcastSent(event) = run.steps[2].kind else {
        panic!("{:?}", run.steps[2]);
    };
    assert_eq!(trace.texts.get(event.name), "ada");
    assert_eq!(
        (event.position, event.request, event.participant),
        (1, 1, 1)
    );
    let mut lines = LineLookup::default();
    for step in run.steps.iter().rev() {
        let line = lines.get(&trace.sources, step.location).unwrap();
        let number = step.location.line as usize - 1;
        assert_eq!(Some(line.as_str()), SERVER_LOG.lines().nth(number));
    }
}

#[test]
fn torn_lines_are_counted_and_leave_a_hole_in_their_own_run_only() {
    let torn = SERVER_LOG.replace(" request=1 clock=3", "");
    let trace = read(&torn);
    assert_eq!(trace.unreadable.len(), 1);
    assert_eq!(trace.unreadable[0].line, 4);
    let holes: Vec<_> = trace.runs[0]
        .steps
        .iter()
        .map(|step| step.after_hole)
        .collect();
    assert_eq!(holes, [false, false, true]);

    let cut = &SERVER_LOG[..SERVER_LOG.len() - 4];
    let next = SERVER_LOG.replace("a1b2c3d4", "00000002");
    let trace = read(&format!("{}\n{next}", &cut[..cut.len() - 30]));
    assert_eq!(trace.unreadable.len(), 1);
    assert!(
        trace
            .runs
            .iter()
            .flat_map(|run| &run.steps)
            .all(|step| !step.after_hole)
    );
}

#[test]
fn only_a_run_that_breaks_off_is_frayed() {
    assert!(read(SERVER_LOG).runs[0].steps[3].frayed);
    let stopped = "2026-11-23T01:02:09.101601Z server run=a1b2c3d4 Server stopped reason=signal\n";
    let trace = read(&format!("{SERVER_LOG}{stopped}"));
    assert!(trace.runs[0].ended);
    assert!(trace.runs[0].steps.iter().all(|step| !step.frayed));
}

#[test]
fn dropped_lines_leave_a_hole() {
    let dropped = SERVER_LOG.replace("message=\"hi\"", "message=\"too many\" dropped=7");
    assert!(read(&dropped).runs[0].steps[2].after_hole);
}

#[test]
fn any_bytes_are_survived() {
    let text = format!("\u{0}\n\n{SERVER_LOG}x");
    let trace = read(&text);
    assert_eq!(trace.unreadable.len(), 2);
    assert_eq!(trace.runs.len(), 1);
}

#[test]
fn a_log_that_went_through_an_editor_of_windows_is_the_same() {
    let plain = read(SERVER_LOG);
    let steps = |trace: &Trace| {
        let steps = trace.runs[0].steps.iter();
        steps
            .map(|step| {
                (
                    step.location.line,
                    step.wall,
                    step.lamport,
                    step.clock,
                    step.kind,
                )
            })
            .collect::<Vec<_>>()
    };
    for text in [
        SERVER_LOG.replace('\n', "\r\n"),
        format!("\u{feff}{SERVER_LOG}"),
        format!("\u{feff}{}\r\n \r\n", SERVER_LOG.replace('\n', "\r\n")),
        SERVER_LOG.trim_end().to_owned(),
        SERVER_LOG
            .replace('\n', "\r\n")
            .trim_end_matches('\n')
            .to_owned(),
    ] {
        let trace = read(&text);
        assert_eq!(trace.unreadable, [], "{text:?}");
        assert_eq!(trace.runs.len(), 1);
        assert_eq!(steps(&trace), steps(&plain));
        let mut lines = LineLookup::default();
        for (step, line) in trace.runs[0].steps.iter().zip([0, 1, 3, 4]) {
            let shown = lines.get(&trace.sources, step.location);
            assert_eq!(shown.as_deref(), SERVER_LOG.lines().nth(line));
        }
    }
}

#[test]
fn a_log_may_end_anywhere() {
    for end in 0..SERVER_LOG.len() {
        let trace = read(&SERVER_LOG[..end]);
        assert!(trace.unreadable.len() <= 1, "{end}");
        let whole = SERVER_LOG[..end].matches('\n').count();
        let read: usize = trace.runs.iter().map(|run| run.steps.len()).sum();
        // The lines without the diagnostic, which is no step.
        assert!(read + 1 >= whole, "{end}: {read} of {whole}");
    }
}
