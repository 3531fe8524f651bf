#!/bin/sh
# Builds the SEAL peer twice, without and with Intel HEXL, into the folder given (default /tmp/veilbench-peers).
#
# The sources of SEAL 4.0 and HEXL come inside the crate `sealy` 0.2.0; what HEXL would download itself is Debian's
# libcpu-features-dev. Needs g++, cmake and cargo.
set -eu
out=${1:-/tmp/veilbench-peers}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out/fetch/src"
cat > "$out/fetch/Cargo.toml" <<'TOML'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
sealy = { version = "=0.2.0", default-features = false }
[workspace]
TOML
: > "$out/fetch/src/lib.rs"
test -d "$out/fetch/vendor/sealy" || (cd "$out/fetch" && cargo vendor --quiet > /dev/null)

rm -rf "$out/SEAL"
cp -r "$out/fetch/vendor/sealy/SEAL" "$out/SEAL"
cat > "$out/SEAL/thirdparty/hexl/cmake/third-party/cpu-features/CMakeLists.txt" <<'CMAKE'
find_package(CpuFeatures REQUIRED)
add_library(cpu_features INTERFACE)
target_link_libraries(cpu_features INTERFACE CpuFeatures::cpu_features)
CMAKE
# One static library holds all: HEXL's own merging of archives expects cpu_features to be built by it.
sed -i 's/hexl_create_archive(hexl cpu_features)//' "$out/SEAL/thirdparty/hexl/hexl/CMakeLists.txt"

for hexl in OFF ON; do
    build="$out/seal-hexl-$hexl"
    cmake -S "$out/SEAL" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
        -DSEAL_USE_INTEL_HEXL=$hexl -DSEAL_BUILD_DEPS=ON -DSEAL_USE_MSGSL=OFF -DSEAL_USE_ZLIB=OFF -DSEAL_USE_ZSTD=OFF \
        -DSEAL_BUILD_SEAL_C=OFF > "$build.log" 2>&1
    cmake --build "$build" -j 2 >> "$build.log" 2>&1
    libraries="$build/lib/libseal-4.0.a"
    test $hexl = OFF || libraries="$libraries $(find "$build" -name 'libhexl*.a' | head -n 1) -lcpu_features"
    g++ -O3 -std=c++17 -I "$out/SEAL/native/src" -I "$build/native/src" -I "$out/SEAL/thirdparty/hexl/hexl/include" \
        -o "$out/seal-peer-hexl-$hexl" "$here/seal_peer.cpp" $libraries -lpthread
done
echo "built $out/seal-peer-hexl-OFF and $out/seal-peer-hexl-ON"
