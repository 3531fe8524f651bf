//! Instruction sets that the inner loops are compiled for.

/// An instruction set. Values exist only for what this machine can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// The target's baseline and the `aes` crate, whatever that finds.
    Portable,
    /// AVX2 and the `aes` crate.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 and four cipher blocks to a vector.
    #[cfg(target_arch = "x86_64")]
    Vaes,
}

impl Kernel {
    /// Plain Rust and the `aes` crate.
    pub const PORTABLE: Kernel = Kernel(Set::Portable);

    /// The fastest one this machine can run.
    pub fn best() -> Kernel {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// Every one this machine can run, slowest first.
    pub fn available() -> Vec<Kernel> {
        let mut kernels = vec![Kernel::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                kernels.push(Kernel(Set::Avx2));
            }
            if is_x86_feature_detected!("vaes")
                && is_x86_feature_detected!("aes")
                && is_x86_feature_detected!("ssse3")
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
            {
                kernels.push(Kernel(Set::Vaes));
            }
        }
        kernels
    }

    pub(crate) fn set(self) -> Set {
        self.0
    }
}
