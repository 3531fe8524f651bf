//! Images no training set has: what a network must survive before it ships.

use veilbench_datasets::Dataset;

/// Every level as far from white as it was from black.
pub fn inverted(images: &Dataset) -> Dataset {
    changed(images, |level| 255 - level)
}

/// Contrast about the middle grey multiplied by `factor`; levels beyond black and white are cut off.
pub fn contrasted(images: &Dataset, factor: f32) -> Dataset {
    changed(images, |level| ((f32::from(level) - 127.5) * factor + 127.5).round().clamp(0.0, 255.0) as u8)
}

fn changed(images: &Dataset, change: impl Fn(u8) -> u8) -> Dataset {
    let pixels = images.pixels.iter().map(|&level| change(level)).collect();
    Dataset {
        id: images.id.clone(),
        classes: images.classes.clone(),
        labels: images.labels.clone(),
        pixels,
        ..*images
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversion_swaps_black_and_white_and_contrast_moves_away_from_grey() {
        let images = Dataset {
            id: "four".into(),
            classes: vec!["one".into()],
            channels: 1,
            height: 2,
            width: 2,
            pixels: vec![0, 100, 127, 255],
            labels: vec![0],
            synthetic: false,
        };
        assert_eq!(inverted(&images).pixels, [255, 155, 128, 0]);
        assert_eq!(contrasted(&images, 2.0).pixels, [0, 73, 127, 255]);
        assert_eq!(inverted(&images).labels, images.labels);
    }
}
