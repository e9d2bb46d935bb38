//! A terminal's screen as SVG.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// The size of a cell in pixels, for a monospaced font of 14 pixels.
const CELL: (f32, f32) = (8.4, 18.0);
const MARGIN: f32 = 12.0;

/// A terminal's rendering of the sixteen colours.
pub(crate) struct Theme {
    background: &'static str,
    foreground: &'static str,
    palette: [&'static str; 16],
}

pub(crate) const DARK: Theme = Theme {
    background: "#1e1e1e",
    foreground: "#d4d4d4",
    palette: [
        "#1e1e1e", "#f14c4c", "#23d18b", "#e5e510", "#3b8eea", "#d670d6", "#29b8db", "#e5e5e5",
        "#808080", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
    ],
};

pub(crate) const LIGHT: Theme = Theme {
    background: "#fdfdfd",
    foreground: "#333333",
    palette: [
        "#000000", "#cd3131", "#0f7c3f", "#8a7000", "#0451a5", "#bc05bc", "#05769c", "#555555",
        "#666666", "#cd3131", "#0f7c3f", "#8a7000", "#0451a5", "#bc05bc", "#05769c", "#333333",
    ],
};

impl Theme {
    fn color(&self, color: Color, default: &'static str) -> String {
        match color {
            Color::Default => default.to_owned(),
            Color::Idx(index @ 0..16) => self.palette[usize::from(index)].to_owned(),
            Color::Idx(index) => {
                let anstyle::RgbColor(red, green, blue) = anstyle_lossy::xterm_to_rgb(
                    anstyle::Ansi256Color(index),
                    anstyle_lossy::palette::VGA,
                );
                format!("#{red:02x}{green:02x}{blue:02x}")
            }
            Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

/// Draws the whole screen with the cursor.
pub(crate) fn draw(screen: &Screen, theme: &Theme) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (width, height) = (x(columns) + MARGIN, y(rows) + MARGIN);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{}\"/>",
        theme.background
    );
    for row in 0..rows {
        for column in 0..columns {
            if let Some(cell) = screen
                .cell(row, column)
                .filter(|cell| !cell.is_wide_continuation())
            {
                draw_cell(&mut svg, cell, (row, column), theme);
            }
        }
    }
    if !screen.hide_cursor() {
        let (row, column) = screen.cursor_position();
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" opacity=\"0.6\"/>",
            x(column),
            y(row),
            CELL.0,
            CELL.1,
            theme.foreground
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_cell(svg: &mut String, cell: &Cell, (row, column): (u16, u16), theme: &Theme) {
    let mut ink = theme.color(cell.fgcolor(), theme.foreground);
    let mut paper = theme.color(cell.bgcolor(), theme.background);
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    if paper != theme.background {
        let width = if cell.is_wide() { 2.0 } else { 1.0 } * CELL.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{paper}\"/>",
            x(column),
            y(row),
            CELL.1
        );
    }
    let text = cell.contents();
    if text.trim().is_empty() {
        return;
    }
    let mut style = String::new();
    for (set, attribute) in [
        (cell.bold(), " font-weight=\"bold\""),
        (cell.italic(), " font-style=\"italic\""),
        (cell.underline(), " text-decoration=\"underline\""),
        (cell.dim(), " opacity=\"0.6\""),
    ] {
        if set {
            style.push_str(attribute);
        }
    }
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{ink}\"{style}>{text}</text>",
        x(column),
        y(row) + CELL.1 * 0.75
    );
}

fn x(column: u16) -> f32 {
    MARGIN + f32::from(column) * CELL.0
}

fn y(row: u16) -> f32 {
    MARGIN + f32::from(row) * CELL.1
}
