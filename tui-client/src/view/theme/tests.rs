use anstyle::{Ansi256Color, RgbColor};
use palette::{
    FromColor as _, Lab, LinSrgb, Srgb,
    color_difference::{Ciede2000 as _, Wcag21RelativeContrast as _},
};

use super::*;

/// The least contrast of each colour on each background.
const CONTRAST: f64 = 3.0;
/// The least difference of any two colours, for most people.
const DIFFERENCE: f64 = 13.0;
/// The least difference of any two colours, for people who lack one kind of cones.
const LEAST_DIFFERENCE: f64 = 6.5;

/// What somebody sees of a linear colour, by Machado, Oliveira and Fernandes: "A Physiologically-
/// based Model for Simulation of Color Vision Deficiency", 2009, at severity 1.0.
type Vision = [[f64; 3]; 3];
const PROTANOPIA: Vision = [
    [0.152_286, 1.052_583, -0.204_868],
    [0.114_503, 0.786_281, 0.099_216],
    [-0.003_882, -0.048_116, 1.051_998],
];
const DEUTERANOPIA: Vision = [
    [0.367_322, 0.860_646, -0.227_968],
    [0.280_085, 0.672_501, 0.047_413],
    [-0.011_820, 0.042_940, 0.968_881],
];
const TRITANOPIA: Vision = [
    [1.255_528, -0.076_749, -0.178_779],
    [-0.078_411, 0.930_809, 0.147_602],
    [0.004_733, 0.691_367, 0.303_900],
];

fn rgb(colour: Color) -> Srgb<f64> {
    let Color::Indexed(index @ 16..) = colour else {
        panic!("{colour} looks as a user likes");
    };
    let vga = anstyle_lossy::palette::VGA;
    let RgbColor(red, green, blue) = anstyle_lossy::xterm_to_rgb(Ansi256Color(index), vga);
    Srgb::new(red, green, blue).into_format()
}

fn seen(colour: Color, vision: Option<&Vision>) -> Lab<palette::white_point::D65, f64> {
    let linear = rgb(colour).into_linear();
    let (red, green, blue) = linear.into_components();
    let linear = match vision {
        None => linear,
        Some(rows) => {
            let part = |row: [f64; 3]| row[0] * red + row[1] * green + row[2] * blue;
            let [red, green, blue] = rows.map(|row| part(row).clamp(0.0, 1.0));
            LinSrgb::new(red, green, blue)
        }
    };
    Lab::from_color(linear)
}

/// The smallest difference, with the two colours that have it.
fn least(vision: Option<&Vision>) -> (f64, Color, Color) {
    let colours = NAMES.map(|colour| (colour, seen(colour, vision)));
    let mut least = (f64::MAX, NAMES[0], NAMES[0]);
    for (index, (one, as_seen)) in colours.iter().enumerate() {
        for (other, other_seen) in &colours[..index] {
            let difference = as_seen.difference(*other_seen);
            if difference < least.0 {
                least = (difference, *one, *other);
            }
        }
    }
    least
}

#[test]
fn names_are_legible_on_dark_and_on_light() {
    for colour in NAMES {
        for grey in [0x00, 0x1e, 0xff_u8] {
            let background = Srgb::new(grey, grey, grey).into_format();
            let contrast = rgb(colour).relative_contrast(background);
            assert!(contrast >= CONTRAST, "{colour}: {contrast}");
        }
    }
}

#[test]
fn any_two_names_can_be_told_apart_by_everybody() {
    const { assert!(NAMES.len() >= 12) };
    let (difference, one, other) = least(None);
    assert!(difference >= DIFFERENCE, "{one}, {other}: {difference}");
    for vision in [PROTANOPIA, DEUTERANOPIA, TRITANOPIA] {
        let (difference, one, other) = least(Some(&vision));
        assert!(
            difference >= LEAST_DIFFERENCE,
            "{one}, {other}: {difference}"
        );
    }
}

#[test]
fn few_names_are_purple() {
    let purple = |colour: &Color| {
        let lab = seen(*colour, None);
        let hue = lab.b.atan2(lab.a).to_degrees().rem_euclid(360.0);
        lab.a.hypot(lab.b) >= 12.0 && (280.0..=345.0).contains(&hue)
    };
    let purple: Vec<_> = NAMES.iter().filter(|colour| purple(colour)).collect();
    assert!(purple.len() <= 3, "{purple:?}");
}

/// Without colours it is bold.
#[test]
fn without_colours_there_are_none() {
    let theme = Theme::new(false);
    let styles = [
        theme.name(3, false),
        theme.error(),
        theme.warning(),
        theme.over(),
        theme.loud(),
        theme.alarm(),
        theme.health(Health::Bad),
        theme.health(Health::Good),
    ];
    assert!(
        styles
            .iter()
            .all(|style| style.fg.is_none() && style.bg.is_none())
    );
    assert!(theme.name(3, false).add_modifier.contains(Modifier::BOLD));
}

#[test]
fn any_number_of_colours_will_do() {
    for count in [1, 2, 12, 40] {
        let names: Vec<_> = (0..count).map(Color::Indexed).collect();
        let palette = Palette {
            names: names.clone().leak(),
            ..Palette::TERMINAL
        };
        let theme = Theme::of(Some(palette));
        for (hue, colour) in names.iter().enumerate() {
            assert_eq!(theme.name(hue, false).fg, Some(*colour));
            assert_eq!(theme.name(hue + names.len(), false).fg, Some(*colour));
        }
    }
}
