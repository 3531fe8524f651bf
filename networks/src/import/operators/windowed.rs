//! Kernel, stride and padding from the attributes convolutions and pools share.

pub(super) mod convolution;
pub(super) mod pooling;

use crate::Window;
use crate::import::attributes::Attributes;
use crate::import::error::{Reason, quote};

/// Takes `strides`, `pads` and `auto_pad` of a kernel that slides over `size`.
pub(super) fn take(
    attributes: &mut Attributes<'_>,
    kernel: [usize; 2],
    size: [usize; 2],
    dilation: [usize; 2],
) -> Result<Window, Reason> {
    let stride = attributes.sizes::<2>("strides")?.unwrap_or([1, 1]);
    let explicit = attributes.sizes::<4>("pads")?;
    let same = |extra_at_end: bool| {
        let mut padding = [0; 4];
        for axis in 0..2 {
            let total = same_padding(size[axis], kernel[axis], stride[axis], dilation[axis])?;
            let (less, more) = (total / 2, total - total / 2);
            (padding[axis], padding[axis + 2]) = if extra_at_end { (less, more) } else { (more, less) };
        }
        Some(padding)
    };
    let padding = match attributes.text("auto_pad")?.unwrap_or("NOTSET") {
        "NOTSET" | "" => explicit,
        "VALID" => Some([0; 4]),
        "SAME_UPPER" => Some(same(true).ok_or("attribute auto_pad does not fit the window")?),
        "SAME_LOWER" => Some(same(false).ok_or("attribute auto_pad does not fit the window")?),
        other => return Err(format!("attribute auto_pad has the unknown value {}", quote(other)).into()),
    };
    Ok(Window { kernel, stride, padding: padding.unwrap_or([0; 4]) })
}

/// Padding of a window within padding around the image.
pub(super) fn sum(padding: [usize; 4], around: [usize; 4]) -> Option<[usize; 4]> {
    let mut sum = [0; 4];
    for (side, sum) in sum.iter_mut().enumerate() {
        *sum = padding[side].checked_add(around[side])?;
    }
    Some(sum)
}

/// Padding with which the output has `ceil(size / stride)` positions.
fn same_padding(size: usize, kernel: usize, stride: usize, dilation: usize) -> Option<usize> {
    let positions = size.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?;
    let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    Some(positions.checked_sub(1)?.checked_mul(stride)?.checked_add(reach)?.saturating_sub(size))
}

/// The window with the padding at its end that makes rounding down give as many positions as
/// `ceil_mode`; as ONNX, no window starts in the padding at the end.
pub(super) fn round_up(window: &Window, size: [usize; 2]) -> Option<Window> {
    let mut rounded = *window;
    for (axis, &size) in size.iter().enumerate() {
        let (kernel, stride) = (window.kernel[axis], window.stride[axis]);
        let (start, end) = (window.padding[axis], window.padding[axis + 2]);
        let padded = size.checked_add(start)?.checked_add(end)?;
        let mut last =
            padded.checked_sub(kernel)?.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?;
        if last.checked_mul(stride)? >= size + start {
            last = last.checked_sub(1)?;
        }
        let needed = last.checked_mul(stride)?.checked_add(kernel)?;
        rounded.padding[axis + 2] = end.max(needed.saturating_sub(size + start));
    }
    Some(rounded)
}
