use proptest::prelude::*;

use super::*;
use crate::fingerprint::Fingerprint;

fn link(host: &str, pin: [u8; 16], secret: Option<[u8; 16]>) -> ChatLink {
    ChatLink {
        address: host.parse().expect("an address"),
        pin: Pin::from_bytes(pin),
        secret: secret.map(LinkSecret),
    }
}

#[test]
fn a_link_is_as_documented() {
    // The digits were computed with another implementation of base58.
    let whole = link("chat.example.org", [0xff; 16], Some([1; 16]));
    assert_eq!(
        whole.reveal(),
        "chitty://chat.example.org/#YcVfxkQb6JRzqk5kF2tNLv.18C2kCzsB2fJy9MiZos1mS"
    );
    assert_eq!(
        whole.command(),
        format!("chitty '{}'", whole.reveal()),
        "quoted for a shell"
    );
    let open = link("[2001:db8::1]:443", [0; 16], None);
    assert_eq!(
        open.reveal(),
        format!("chitty://[2001:db8::1]:443/#{}", "1".repeat(PART_CHARS))
    );
    assert_eq!(ChatLink::find(&open.reveal()), Ok(open.clone()));
    assert_eq!(whole.without_secret().secret, None);
}

#[test]
fn a_link_with_the_usual_port_fits_into_a_line() {
    let link = link("chat.example.org", [0xff; 16], Some([0xff; 16]));
    assert_eq!(link.reveal().len(), 72);
    assert!(link.command().len() <= 82);
}

#[test]
fn the_secret_is_not_printed() {
    let link = link("chat", [7; 16], Some([8; 16]));
    let secret = link.secret.clone().expect("there").reveal();
    let debug = format!("{link:?}");
    assert!(
        !debug.contains(&secret) && debug.contains("LinkSecret(…)"),
        "{debug}"
    );
    // Neither is a part of it, by any error.
    let whole = link.reveal();
    for wrong in [
        whole[..whole.len() - 3].to_owned(),
        format!("{whole}x"),
        whole.replace(&secret[20..], "0l"),
        whole.replace("/#", "."),
        format!("{whole} {}", whole.replace("//chat", "//other")),
    ] {
        let error = ChatLink::find(&wrong).expect_err(&wrong);
        let said = format!("{error} {error:?}");
        assert!(
            !said.contains(&secret[..6]) && !said.contains(&secret[12..18]),
            "{said}"
        );
    }
}

#[test]
fn a_cut_link_says_how_much_is_missing() {
    let whole = link("chat:443", [7; 16], Some([8; 16])).reveal();
    let from_end = |cut: usize| &whole[..whole.len() - cut];
    for missing in [1, 2, 21, 22] {
        let part = LinkPart::Secret;
        let error = LinkError::Cut { part, missing };
        assert_eq!(ChatLink::find(from_end(missing)), Err(error), "{missing}");
    }
    // Without the dot it is a link without a secret.
    assert!(ChatLink::find(from_end(23)).is_ok());
    let part = LinkPart::Pin;
    for missing in [1, 22] {
        let error = LinkError::Cut { part, missing };
        assert_eq!(
            ChatLink::find(from_end(23 + missing)),
            Err(error),
            "{missing}"
        );
    }
    assert_eq!(ChatLink::find("chitty://chat:443/"), Err(LinkError::NoPin));
    assert_eq!(ChatLink::find("chitty://chat"), Err(LinkError::NoPin));
    let said = ChatLink::find(from_end(2)).expect_err("cut").to_string();
    assert_eq!(
        said,
        "the link is cut: its last 2 characters are missing; copy it again"
    );
    let said = ChatLink::find(from_end(1)).expect_err("cut").to_string();
    assert!(said.contains("its last character is missing"), "{said}");
}

#[test]
fn what_surrounds_a_link_does_not_matter() {
    let expected = link("chat.example.org", [0xab; 16], Some([0xcd; 16]));
    let text = expected.reveal();
    let (start, end) = text.split_at(40);
    for pasted in [
        expected.command(),
        format!("  {text}\r\n"),
        format!("<{text}>"),
        format!("\u{201c}{text}\u{201d}, she wrote"),
        format!("come here: ({text}). See you!"),
        format!("> {text}"),
        format!("[the chat]({text})"),
        format!("│ chitty '{start} │\n│ {end}'       │\n"),
        format!("{start}\n{end}\n"),
        format!("{start}\\\n{end}"),
        format!("{text}\n{text}\n"),
        format!("CHITTY://{}", &text[SCHEME.len()..]),
        text.replace("/#", "#"),
    ] {
        assert_eq!(ChatLink::find(&pasted), Ok(expected.clone()), "{pasted}");
    }
}

#[test]
fn what_is_no_link_is_refused_with_what_to_do() {
    let pin = encode(&[7; 16]);
    for (text, error) in [
        (String::new(), LinkError::None),
        ("http://chat:50051".into(), LinkError::None),
        (format!("chitty:///#{pin}"), LinkError::Address),
        (format!("chitty://chat:0/#{pin}"), LinkError::Address),
        (format!("chitty://eve@chat/#{pin}"), LinkError::Address),
        (
            format!("chitty://chat/#{pin}2"),
            LinkError::TooLong(LinkPart::Pin),
        ),
        (
            format!("chitty://chat/#{pin}.{pin}2"),
            LinkError::TooLong(LinkPart::Secret),
        ),
        // Neither 0 nor l is a digit of base58.
        (
            format!("chitty://chat/#{}0", &pin[1..]),
            LinkError::Part(LinkPart::Pin),
        ),
        (
            format!("chitty://chat/#{pin}.{}l", &pin[1..]),
            LinkError::Part(LinkPart::Secret),
        ),
        // More than 128 bits.
        (
            format!("chitty://chat/#{}", "z".repeat(PART_CHARS)),
            LinkError::Part(LinkPart::Pin),
        ),
        (
            format!("chitty://a/#{pin} chitty://b/#{pin}"),
            LinkError::Several,
        ),
        ("x".repeat(65 * 1024), LinkError::Text),
    ] {
        assert_eq!(ChatLink::find(&text), Err(error), "{text:.80}");
    }
}

#[test]
fn a_pin_is_the_beginning_of_a_fingerprint() {
    let key = Fingerprint::of_public_key(b"a key");
    let link = ChatLink {
        address: "chat".parse().expect("an address"),
        pin: key.pin(),
        secret: None,
    };
    let found = ChatLink::find(&link.reveal()).expect("whole");
    assert_eq!(found.pin, key.pin());
}

#[test]
fn a_secret_has_one_text() {
    let secret = LinkSecret::random(&mut |bytes| bytes.fill(9));
    assert_eq!(LinkSecret::parse(&secret.reveal()), Some(secret.clone()));
    assert_eq!(LinkSecret::parse(&format!("1{}", secret.reveal())), None);
    assert_eq!(LinkSecret::parse(&secret.reveal()[1..]), None);
    assert_eq!(LinkSecret::parse("grüße, die 22 bytes s"), None);
    assert_ne!(secret.hash(), LinkSecret([8; 16]).hash());
}

fn links() -> impl Strategy<Value = ChatLink> {
    let hosts = prop_oneof![
        "[a-z][a-z0-9-]{0,20}(\\.[a-z]{2,5}){0,2}".boxed(),
        any::<std::net::Ipv4Addr>()
            .prop_map(|ip| ip.to_string())
            .boxed(),
        any::<std::net::Ipv6Addr>()
            .prop_map(|ip| ip.to_string())
            .boxed(),
    ];
    let bytes = || {
        prop_oneof![
            any::<[u8; 16]>(),
            // Small numbers, which have few digits.
            (0..16_usize, any::<[u8; 16]>()).prop_map(|(zeros, mut bytes)| {
                bytes[..zeros].fill(0);
                bytes
            }),
        ]
    };
    (hosts, 1..=u16::MAX, bytes(), proptest::option::of(bytes())).prop_map(
        |(host, port, pin, secret)| ChatLink {
            address: ServerAddress::new(&host, port).expect("a host"),
            pin: Pin::from_bytes(pin),
            secret: secret.map(LinkSecret),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(link in links()) {
        prop_assert_eq!(ChatLink::find(&link.reveal()), Ok(link.clone()));
        prop_assert_eq!(ChatLink::find(&link.command()), Ok(link));
    }

    #[test]
    fn breaks_borders_and_quotes_are_read_past(
        link in links(),
        gaps in proptest::collection::vec((any::<prop::sample::Index>(), "[ \\t\\r\\n│|┃'\"`<>]{1,4}"), 0..6),
    ) {
        let mut text: Vec<String> = link.command().chars().map(String::from).collect();
        for (place, gap) in gaps {
            let place = place.index(text.len());
            text.insert(place, gap);
        }
        prop_assert_eq!(ChatLink::find(&text.concat()), Ok(link));
    }

    #[test]
    fn a_cut_is_told_exactly(link in links(), cut in 1..44_usize) {
        let whole = link.reveal();
        let missing_of_secret = link.secret.is_some().then_some(cut).filter(|cut| *cut <= 22);
        let missing_of_pin = match link.secret {
            Some(_) => cut.checked_sub(23).filter(|cut| (1..=22).contains(cut)),
            None => Some(cut).filter(|cut| *cut <= 22),
        };
        let found = ChatLink::find(&whole[..whole.len() - cut]);
        match (missing_of_secret, missing_of_pin) {
            (Some(missing), _) => {
                let part = LinkPart::Secret;
                prop_assert_eq!(found, Err(LinkError::Cut { part, missing }));
            }
            (None, Some(missing)) => {
                let part = LinkPart::Pin;
                prop_assert_eq!(found, Err(LinkError::Cut { part, missing }));
            }
            (None, None) if cut == 23 && link.secret.is_some() => {
                prop_assert_eq!(found, Ok(link.without_secret()));
            }
            (None, None) => prop_assert!(found.is_err()),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*", before in "[a-z ]*") {
        let _ = ChatLink::find(&text);
        let _ = ChatLink::find(&format!("{before}chitty://{text}"));
        let _ = ChatLink::find(&format!("chitty://chat/#{text}"));
    }
}
