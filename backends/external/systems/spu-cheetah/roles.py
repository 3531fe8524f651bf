"""SPU, Cheetah: two parties without a dealer."""

import os
import sys

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_spu  # noqa: E402

if __name__ == "__main__":
    veilbench_spu.serve("CHEETAH")
