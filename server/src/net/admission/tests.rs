use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn joined(admitted: &Admitted) -> crate::net::ParticipantGuard {
    admitted.0.enter()
}

#[test]
fn what_ends_makes_room_and_nothing_is_kept_of_it() {
    let registry = Registry::new(Limits {
        connections: 3,
        connections_per_source: 2,
        ..Limits::default()
    });
    let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
    let first = registry.admit(here).expect("space");
    let of_first = joined(&first);
    let second = registry.admit(here).expect("space");
    let _of_second = joined(&second);
    assert!(registry.admit(here).is_none());
    let third = registry.admit(there).expect("room for others");
    let of_third = joined(&third);
    assert!(registry.admit(there).is_none());
    drop((of_first, first));
    let fourth = registry.admit(here).expect("room again");
    let _of_fourth = joined(&fourth);
    drop(third);
    // Later than its connection.
    drop(of_third);
    let state = registry.state();
    assert_eq!((state.networks.len(), state.all, state.unjoined), (1, 2, 0));
    assert_eq!(state.crowds.largest(), None);
}

#[test]
fn the_idlest_of_the_largest_crowd_makes_room_and_never_a_participant() {
    let registry = Registry::new(Limits {
        connections: 100,
        connections_per_source: 50,
        unjoined: 5,
        ..Limits::default()
    });
    let [crowd, lone, new] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
    let participant = registry.admit(crowd).expect("space");
    let _guard = joined(&participant);
    let alone = registry.admit(lone).expect("space");
    let many = [(); 4].map(|()| registry.admit(crowd).expect("space"));
    // The first has just done something, so the second is the idlest.
    registry.touch(&many[0].0);
    let newcomer = registry.admit(new).expect("room is made");
    let closed = many.each_ref().map(|admitted| admitted.0.is_closed());
    assert_eq!(closed, [false, true, false, false]);
    for admitted in [&participant, &alone, &newcomer] {
        assert!(!admitted.0.is_closed());
    }
    assert_eq!(registry.state().all, 6);
    drop(many);
    assert_eq!(registry.state().all, 3);
}

#[test]
fn whoever_fills_its_own_limit_makes_room_of_its_own() {
    let registry = Registry::new(Limits {
        connections: 100,
        connections_per_source: 2,
        ..Limits::default()
    });
    let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
    let others = [(); 2].map(|()| registry.admit(there).expect("space"));
    let mine = [(); 3].map(|()| registry.admit(here).expect("room is made"));
    let closed = mine.each_ref().map(|admitted| admitted.0.is_closed());
    assert_eq!(closed, [true, false, false]);
    assert!(others.iter().all(|admitted| !admitted.0.is_closed()));
}

/// A subnet of a site.
fn subnet(number: u16) -> IpAddr {
    address(&format!("2001:db8:7:{number:x}::"))
}

#[test]
fn a_network_has_no_more_connections_than_two_of_its_sources() {
    let registry = Registry::new(Limits {
        connections: 100,
        connections_per_source: 3,
        ..Limits::default()
    });
    let mine: Vec<_> = (0..50)
        .filter_map(|number| registry.admit(subnet(number)))
        .collect();
    let open = |admitted: &&Admitted| !admitted.0.is_closed();
    assert_eq!(mine.iter().filter(open).count(), 6);
    let elsewhere = registry.admit(address("2001:db8:8::")).expect("space");
    // Those who take part keep their places, and nobody else has any then.
    let _guards: Vec<_> = mine.iter().filter(open).map(joined).collect();
    assert!(registry.admit(subnet(70)).is_none());
    assert!(!elsewhere.0.is_closed());
    drop((mine, elsewhere));
    assert!(registry.state().networks.is_empty());
}

#[test]
fn many_subnets_are_one_crowd_when_room_is_made() {
    let registry = Registry::new(Limits {
        connections: 10,
        ..Limits::default()
    });
    // Each of them has as many as anybody in the crowd, and the highest address.
    let lone = ["2001:db8:ffff::", "255.1.1.1"].map(address);
    let lone = lone.map(|source| registry.admit(source).expect("space"));
    let _crowd: Vec<_> = (0..50)
        .map(|number| registry.admit(subnet(number)))
        .collect();
    assert!(lone.iter().all(|admitted| !admitted.0.is_closed()));
    assert_eq!(registry.state().all, 10);
}

#[test]
fn streams_that_wait_are_limited_for_a_network_too() {
    let registry = Registry::new(Limits::default());
    let mut waiting = Vec::new();
    let mut open = Vec::new();
    for number in 0..64 {
        let admitted = registry.admit(subnet(number)).expect("space");
        let guard = joined(&admitted);
        waiting.extend((0..64).filter_map(|_| admitted.0.linger()));
        open.push((admitted, guard));
    }
    assert_eq!(waiting.len(), 1536);
    let elsewhere = registry.admit(address("192.0.2.1")).expect("space");
    let _guard = joined(&elsewhere);
    assert!(elsewhere.0.linger().is_some(), "there is room for others");
    drop(waiting.pop());
    let (admitted, _) = &open[63];
    assert!(admitted.0.linger().is_some(), "it was given back");
}
