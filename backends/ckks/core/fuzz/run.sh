#!/bin/sh
# Runs every target for SECONDS (default 120) on a stable compiler: the coverage instrumentation that cargo-fuzz asks a
# nightly compiler for, without the address sanitizer. With a nightly, `cargo fuzz run TARGET` does the same and more.
set -eu
cd "$(dirname "$0")"
seconds=${1:-120}
sancov="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTFLAGS="$sancov --cfg fuzzing -Ccodegen-units=1"
target=$(rustc -vV | sed -n 's/host: //p')
# With an explicit target the build scripts and macros stay uninstrumented.
cargo build --release --target "$target" --bin parameters --bin ciphertext --bin seeded_ciphertext --bin folded_ciphertext --bin public_key \
    --bin evaluation_keys
RUSTFLAGS="" cargo run --quiet --release --target-dir target/seeds --bin seeds
for name in parameters ciphertext seeded_ciphertext folded_ciphertext public_key evaluation_keys; do
    echo "== $name"
    "target/$target/release/$name" "corpus/$name" -max_total_time="$seconds" -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="corpus/$name-" 2>&1 | grep -E 'ERROR|panicked|BINGO|INITED|DONE|stat::(number|peak)|cov:' | tail -6
done
