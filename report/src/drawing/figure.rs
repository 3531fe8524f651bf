//! A plot as a list of shapes in logical pixels, drawn by `render`.

use crate::drawing::render::text_width;
use plotters::style::RGBColor;

/// Horizontal alignment of a text to its point; vertically it is centred on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) at: (f64, f64),
    pub(crate) text: String,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) colour: RGBColor,
    pub(crate) align: Align,
    /// Reads upwards instead of to the right.
    pub(crate) upwards: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Rectangle { from: (f64, f64), to: (f64, f64), colour: RGBColor, filled: bool },
    Line { from: (f64, f64), to: (f64, f64), colour: RGBColor, width: f64 },
    Polygon { points: Vec<(f64, f64)>, colour: RGBColor },
    Circle { centre: (f64, f64), radius: f64, colour: RGBColor },
    Text(Text),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Figure {
    pub(crate) fn new(width: f64) -> Self {
        Self { width, height: 0.0, shapes: Vec::new() }
    }

    pub(crate) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
        self.shapes.push(Shape::Rectangle { from, to, colour, filled: true });
    }

    pub(crate) fn outline(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
        self.shapes.push(Shape::Rectangle { from, to, colour, filled: false });
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: RGBColor, width: f64) {
        self.shapes.push(Shape::Line { from, to, colour, width });
    }

    pub(crate) fn polygon(&mut self, points: Vec<(f64, f64)>, colour: RGBColor) {
        self.shapes.push(Shape::Polygon { points, colour });
    }

    pub(crate) fn circle(&mut self, centre: (f64, f64), radius: f64, colour: RGBColor) {
        self.shapes.push(Shape::Circle { centre, radius, colour });
    }

    /// Adds a text and returns it for changes from regular, left-aligned and horizontal.
    pub(crate) fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        colour: RGBColor,
        text: impl Into<String>,
    ) -> TextAdded<'_> {
        let text = text.into();
        let added = Text { at, text, size, bold: false, colour, align: Align::Left, upwards: false };
        self.shapes.push(Shape::Text(added));
        TextAdded(self.shapes.last_mut())
    }
}

/// A text just added to a figure.
pub(crate) struct TextAdded<'a>(Option<&'a mut Shape>);

impl TextAdded<'_> {
    fn change(mut self, change: impl FnOnce(&mut Text)) -> Self {
        if let Some(Shape::Text(text)) = self.0.as_deref_mut() {
            change(text);
        }
        self
    }

    pub(crate) fn bold(self) -> Self {
        self.change(|text| text.bold = true)
    }

    pub(crate) fn align(self, align: Align) -> Self {
        self.change(|text| text.align = align)
    }

    pub(crate) fn upwards(self) -> Self {
        self.change(|text| text.upwards = true)
    }

    /// Shortens the text with an ellipsis until it is no wider.
    pub(crate) fn fit(self, width: f64) -> Self {
        self.change(|text| text.text = fitted(&text.text, text.size, text.bold, width))
    }
}

fn fitted(text: &str, size: f64, bold: bool, width: f64) -> String {
    if text_width(text, size, bold) <= width {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    let mut shortened = String::from("…");
    while kept.pop().is_some() {
        shortened = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&shortened, size, bold) <= width {
            break;
        }
    }
    shortened
}
