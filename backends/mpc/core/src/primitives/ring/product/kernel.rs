//! The inner loop, compiled for several instruction sets.

use super::LANES;

/// Rows of the left matrix that one pass keeps in registers.
const ROWS: usize = 6;

/// An instruction set the kernel was compiled for. Values exist only for what this machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// Plain Rust for the target's baseline.
    pub const PORTABLE: Kernel = Kernel(Set::Portable);

    /// The fastest kernel this machine can run.
    pub fn best() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                return Kernel(Set::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                return Kernel(Set::Avx2);
            }
        }
        Kernel::PORTABLE
    }

    /// Every kernel this machine can run, slowest first.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                kernels.push(Kernel(Set::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                kernels.push(Kernel(Set::Avx512));
            }
        }
        kernels
    }

    /// Writes the first `width` columns of `left * panel` to the lines of `product`, `stride` apart.
    pub(super) fn multiply_panel(
        self,
        left: &[u64],
        panel: &[[u64; LANES]],
        product: &mut [u64],
        stride: usize,
        width: usize,
    ) {
        match self.0 {
            Set::Portable => multiply_panel(left, panel, product, stride, width),
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: `best` and `available` make this value only after detecting AVX2.
            Set::Avx2 => unsafe { multiply_panel_avx2(left, panel, product, stride, width) },
            #[cfg(target_arch = "x86_64")]
            #[expect(unsafe_code, reason = "calls a function compiled for an instruction set")]
            // SAFETY: `best` and `available` make this value only after detecting AVX-512 F and DQ.
            Set::Avx512 => unsafe { multiply_panel_avx512(left, panel, product, stride, width) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn multiply_panel_avx2(
    left: &[u64],
    panel: &[[u64; LANES]],
    product: &mut [u64],
    stride: usize,
    width: usize,
) {
    multiply_panel(left, panel, product, stride, width);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn multiply_panel_avx512(
    left: &[u64],
    panel: &[[u64; LANES]],
    product: &mut [u64],
    stride: usize,
    width: usize,
) {
    multiply_panel(left, panel, product, stride, width);
}

#[inline(always)]
fn multiply_panel(left: &[u64], panel: &[[u64; LANES]], product: &mut [u64], stride: usize, width: usize) {
    let inner = panel.len();
    let lines = product.chunks_mut(ROWS * stride);
    for (block, lines) in lines.enumerate() {
        let rows = lines.len().div_ceil(stride);
        let left = &left[block * ROWS * inner..][..rows * inner];
        match rows {
            6 => multiply_rows::<6>(left, panel, lines, stride, width),
            5 => multiply_rows::<5>(left, panel, lines, stride, width),
            4 => multiply_rows::<4>(left, panel, lines, stride, width),
            3 => multiply_rows::<3>(left, panel, lines, stride, width),
            2 => multiply_rows::<2>(left, panel, lines, stride, width),
            _ => multiply_rows::<1>(left, panel, lines, stride, width),
        }
    }
}

#[inline(always)]
fn multiply_rows<const R: usize>(
    left: &[u64],
    panel: &[[u64; LANES]],
    lines: &mut [u64],
    stride: usize,
    width: usize,
) {
    let inner = panel.len();
    let rows: [&[u64]; R] = std::array::from_fn(|row| &left[row * inner..][..inner]);
    let mut sums = [[0u64; LANES]; R];
    for (k, right) in panel.iter().enumerate() {
        for row in 0..R {
            let factor = rows[row][k];
            for lane in 0..LANES {
                sums[row][lane] = sums[row][lane].wrapping_add(factor.wrapping_mul(right[lane]));
            }
        }
    }
    for (line, sums) in lines.chunks_mut(stride).zip(&sums) {
        line[..width].copy_from_slice(&sums[..width]);
    }
}
