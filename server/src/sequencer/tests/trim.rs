//! A capped log is trimmed while it is written to.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_capped_log_is_trimmed_and_folds_to_the_same() {
    let log = TestStore::new(Script::default());
    let keep = Some(Keep::Events(5));
    let running = start(log.clone(), SequencerConfig { keep, ..config() }).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let id = Some("0123456789abcdef");
    let first = running
        .handle
        .publish(publish("ada", "first", id))
        .await
        .expect("present");
    for number in 0..20 {
        let line = format!("line {number}");
        running
            .handle
            .publish(publish("ada", &line, None))
            .await
            .expect("present");
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(log.extent().events(), 5);
    // What was dropped is still remembered by who needs it.
    assert_eq!(
        running.handle.publish(publish("ada", "first", id)).await,
        Ok(first)
    );
    running.shutdown.cancel();
    running.task.await.expect("it ran").expect("orderly");
    let again = start(log, config()).await;
    assert_eq!(
        again.handle.publish(publish("ada", "first", id)).await,
        Ok(first)
    );
    let new = again
        .handle
        .publish(publish("ada", "new", None))
        .await
        .expect("within the grace");
    assert_eq!(new.position, Position::new(23));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_kept_only_where_there_is_much_to_drop() {
    let log = TestStore::new(Script::default());
    let keep = Some(Keep::Events(100));
    let running = start(log.clone(), SequencerConfig { keep, ..config() }).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let mut events = 1;
    for (more, kept, snapshots) in [(109, 110, 0), (1, 100, 1), (10, 110, 1), (1, 100, 2)] {
        for _ in 0..more {
            events += 1;
            let line = publish("ada", &format!("line {events}"), None);
            running.handle.publish(line).await.expect("present");
        }
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(log.extent().events(), kept, "after {events}");
        assert_eq!(log.snapshots.load(Ordering::Relaxed), snapshots);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cap_that_is_new_to_a_long_log_is_come_to_in_steps() {
    let log = TestStore::new(Script::default());
    let steps = 3;
    let running = start(log.clone(), config()).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let lines = (0..steps * TRIM_STEP).map(|line| publish("ada", &line.to_string(), None));
    let handle = &running.handle;
    futures_util::future::join_all(lines.map(|line| handle.publish(line))).await;
    running.shutdown.cancel();
    running.task.await.expect("it ran").expect("orderly");

    let keep = Some(Keep::Events(1));
    let running = start(log.clone(), SequencerConfig { keep, ..config() }).await;
    tokio::time::sleep(TRIM_EVERY + TRIM_PAUSE / 2).await;
    // One more than the snapshot covers: all that it covers is to go.
    let line = publish("ada", "one more", None);
    running
        .handle
        .publish(line)
        .await
        .expect("within the grace");
    for step in 0..=steps {
        assert_eq!(log.extent().first.get(), 1 + (step * TRIM_STEP) as u64);
        tokio::time::sleep(TRIM_PAUSE).await;
    }
    assert_eq!(log.extent().events(), 1);
    assert_eq!(log.snapshots.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_log_is_trimmed_is_dropped_with_the_next_snapshot() {
    let log = TestStore::new(Script::default());
    let keep = Some(Keep::Events(5));
    let running = start(log.clone(), SequencerConfig { keep, ..config() }).await;
    let _ada = running.handle.join(join("ada")).await.expect("free");
    let write = async |lines: u32| {
        for line in 0..lines {
            let line = publish("ada", &line.to_string(), None);
            running.handle.publish(line).await.expect("present");
        }
    };
    write(20).await;
    tokio::time::sleep(TRIM_EVERY + TRIM_PAUSE / 2).await;
    assert_eq!(log.extent().first.get(), 1);
    write(30).await;
    tokio::time::sleep(TRIM_PAUSE).await;
    // The snapshot is of position 21.
    assert_eq!(log.extent().first.get(), 22);
    tokio::time::sleep(2 * TRIM_EVERY).await;
    assert_eq!(log.extent().events(), 5);
    assert_eq!(log.snapshots.load(Ordering::Relaxed), 2);
}
