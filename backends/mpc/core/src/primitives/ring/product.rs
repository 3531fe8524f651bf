//! Matrix products over Z/2^64.
//!
//! One kernel multiplies rows of the left matrix with panels of [`LANES`] columns of the right one.
//! It is plain Rust, compiled three times: portable, AVX2 and AVX-512 (where the 64-bit multiply is one
//! instruction), and chosen at run time.

mod kernel;

pub use kernel::Kernel;

/// Columns of a panel.
pub const LANES: usize = 16;

/// A matrix of `rows x columns`, stored in panels of [`LANES`] columns, the last one padded with zeros.
#[derive(Clone)]
pub struct Panels {
    rows: usize,
    columns: usize,
    data: Vec<[u64; LANES]>,
}

impl Panels {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, data: vec![[0; LANES]; rows * columns.div_ceil(LANES)] }
    }

    /// The transpose of a row-major matrix of `columns x rows`.
    ///
    /// # Panics
    /// If `matrix` has another size.
    pub fn transposed(matrix: &[u64], rows: usize, columns: usize) -> Self {
        assert_eq!(matrix.len(), rows * columns, "matrix of another size");
        let mut panels = Self::zeros(rows, columns);
        for (column, values) in matrix.chunks_exact(rows.max(1)).enumerate() {
            let panel = panels.panel_mut(column / LANES);
            for (row, value) in panel.iter_mut().zip(values) {
                row[column % LANES] = *value;
            }
        }
        panels
    }

    /// The rows of panel `index`, each [`LANES`] values.
    pub fn panel_mut(&mut self, index: usize) -> &mut [[u64; LANES]] {
        &mut self.data[index * self.rows..][..self.rows]
    }

    /// `left * self`, row-major, for a row-major `left` of any number of rows; overwrites `product`.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply(&self, left: &[u64], product: &mut [u64]) {
        self.multiply_with(Kernel::best(), left, product);
    }

    /// [`multiply`](Panels::multiply) on a chosen kernel: for tests and measurements.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn multiply_with(&self, kernel: Kernel, left: &[u64], product: &mut [u64]) {
        if self.columns == 0 || product.is_empty() {
            return;
        }
        let lines = product.len() / self.columns;
        assert_eq!(product.len(), lines * self.columns, "product of another width");
        assert_eq!(left.len(), lines * self.rows, "left matrix of another size");
        for (index, first) in (0..self.columns).step_by(LANES).enumerate() {
            let panel = &self.data[index * self.rows..][..self.rows];
            let width = LANES.min(self.columns - first);
            kernel.multiply_panel(left, panel, &mut product[first..], self.columns, width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    fn schoolbook(left: &[u64], right: &[u64], inner: usize, columns: usize) -> Vec<u64> {
        let rows = left.len() / inner;
        let cell = |row: usize, column: usize| {
            (0..inner).fold(0u64, |sum, k| {
                sum.wrapping_add(left[row * inner + k].wrapping_mul(right[column * inner + k]))
            })
        };
        (0..rows).flat_map(|row| (0..columns).map(move |column| cell(row, column))).collect()
    }

    #[test]
    fn every_kernel_agrees_with_the_schoolbook() {
        let mut stream = Seed::from_bytes([1; 16]).stream(0);
        for kernel in Kernel::available() {
            for (rows, inner, columns) in
                [(1, 1, 1), (1, 784, 128), (7, 75, 33), (36, 25, 100), (13, 9, 16), (5, 3, 17)]
            {
                let (left, right) = (stream.words(rows * inner), stream.words(columns * inner));
                let mut product = vec![7; rows * columns];
                Panels::transposed(&right, inner, columns).multiply_with(kernel, &left, &mut product);
                assert_eq!(product, schoolbook(&left, &right, inner, columns), "{kernel:?}");
            }
        }
    }
}
