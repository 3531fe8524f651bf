//! Figures as SVG and PNG, with fonts that come along.

use crate::{
    Error,
    drawing::figure::{Align, Figure, Shape, Text},
};
use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        FontTransform, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};
use std::{fs, path::Path, sync::OnceLock};

/// What an SVG viewer without the first face falls back to has the same widths.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// The drawing library takes the height of a line and not that of an em.
const LINE_HEIGHT: f64 = 1.24;
/// Small text in bitmaps is uneven at its nominal size.
const PNG_SCALE: f64 = 2.0;
/// Bitmap text is centred too high by this share of its size.
const PNG_DROP: f64 = 0.18;

fn register_fonts() {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        for (style, bytes) in
            [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())]
        {
            // A font that cannot be registered shows as an error of the first text that needs it.
            let _ = register_font(FAMILY, style, bytes);
        }
    });
}

fn font(size: f64, bold: bool) -> FontDesc<'static> {
    register_fonts();
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), size * LINE_HEIGHT, style)
}

/// Width of a text in logical pixels.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    // Measured large because the layout is rounded to whole pixels.
    let enlarged = font(size * 8.0, bold).box_size(text);
    enlarged.map_or(0.6 * size * text.chars().count() as f64, |(width, _)| f64::from(width) / 8.0)
}

/// Writes a figure as SVG.
pub(crate) fn render_svg(figure: &Figure, path: &Path) -> Result<(), Error> {
    let mut svg = String::new();
    draw(figure, SVGBackend::with_string(&mut svg, pixels(figure, 1.0)), 1.0, 0.0)
        .map_err(|reason| Error::Draw { path: path.to_owned(), reason })?;
    fs::write(path, &svg).map_err(|cause| Error::Write { path: path.to_owned(), cause })
}

/// Writes a figure as PNG.
pub(crate) fn render_png(figure: &Figure, path: &Path) -> Result<(), Error> {
    draw(figure, BitMapBackend::new(path, pixels(figure, PNG_SCALE)), PNG_SCALE, PNG_DROP)
        .map_err(|reason| Error::Draw { path: path.to_owned(), reason })
}

fn pixels(figure: &Figure, scale: f64) -> (u32, u32) {
    ((figure.width * scale).ceil() as u32, (figure.height * scale).ceil() as u32)
}

fn draw<B: DrawingBackend>(figure: &Figure, backend: B, scale: f64, text_drop: f64) -> Result<(), String> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE).map_err(|error| error.to_string())?;
    for shape in &figure.shapes {
        draw_shape(&area, shape, scale, text_drop).map_err(|error| error.to_string())?;
    }
    area.present().map_err(|error| error.to_string())
}

fn draw_shape<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    shape: &Shape,
    scale: f64,
    text_drop: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let pixel = |(x, y): (f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
    let pixels = |length: f64| (length * scale).round().max(1.0) as u32;
    match shape {
        Shape::Rectangle { from, to, colour, filled } => {
            let style = ShapeStyle { color: colour.to_rgba(), filled: *filled, stroke_width: pixels(1.0) };
            area.draw(&Rectangle::new([pixel(*from), pixel(*to)], style))
        }
        Shape::Line { from, to, colour, width } => {
            let style = colour.stroke_width(pixels(*width));
            area.draw(&PathElement::new([pixel(*from), pixel(*to)], style))
        }
        Shape::Polygon { points, colour } => {
            let points: Vec<_> = points.iter().copied().map(pixel).collect();
            area.draw(&Polygon::new(points, colour.filled()))
        }
        Shape::Circle { centre, radius, colour } => {
            area.draw(&Circle::new(pixel(*centre), pixels(*radius), colour.filled()))
        }
        Shape::Text(Text { at, text, size, bold, colour, align, upwards }) => {
            let horizontal = match align {
                Align::Left => HPos::Left,
                Align::Centre => HPos::Center,
                Align::Right => HPos::Right,
            };
            let turn = if *upwards { FontTransform::Rotate270 } else { FontTransform::None };
            let style = TextStyle::from(font(size * scale, *bold).transform(turn))
                .color(colour)
                .pos(Pos::new(horizontal, VPos::Center));
            let drop = text_drop * size;
            let at = if *upwards { (at.0 + drop, at.1) } else { (at.0, at.1 + drop) };
            area.draw_text(text, &style, pixel(at))
        }
    }
}
