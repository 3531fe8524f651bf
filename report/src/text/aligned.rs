//! Columns of text.

/// Lines of cells that stand below each other, two spaces apart: those of the columns `right` end together, the others begin together.
/// Every line has as many cells, and nothing stands behind its last.
#[must_use]
pub fn aligned<Line: AsRef<[String]>>(lines: &[Line], right: &[usize]) -> String {
    let columns = lines.first().map_or(0, |line| line.as_ref().len());
    let widest = |column: usize| lines.iter().map(|line| line.as_ref()[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.as_ref().iter().zip(&widths).enumerate() {
            text += &if right.contains(&column) {
                format!("{cell:>width$}  ")
            } else {
                format!("{cell:<width$}  ")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
