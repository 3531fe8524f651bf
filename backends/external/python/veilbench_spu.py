"""SPU: every party holds shares of images and weights and runs the same compiled program on them. `serve` plays a role of one of
its protocols, on sockets of SPU's own.

The data owner is SPU's first party, the model owner the second, a helper the third. Each makes the shares of what it holds, as
SPU's own front ends do, and the data owner alone is sent those of the logits.
"""

import numpy

import veilbench_numpy
import veilbench_party

PORT = 9000
# How long a party waits for a message of another, which may be computing: a day.
PATIENCE_MS = 24 * 3600 * 1000

SMALLEST = {
    "input": [1],
    "layers": [{"op": "dense", "inputs": 1, "outputs": 1, "output": [1]}, {"op": "relu", "output": [1]}],
}


class Party(veilbench_party.Role):
    # SPU's name of it.
    protocol = None

    def setup(self):
        with self.session.span("import"):
            import spu
            import veilbench_spu_program
            from spu import libspu

        self.made, self.libspu = veilbench_spu_program, libspu
        # 64-bit words with 18 bits behind the point, SPU's choice for them.
        config = libspu.RuntimeConfig(protocol=getattr(libspu.ProtocolKind, self.protocol), field=libspu.FieldType.FM64)
        config.max_concurrency = self.session.threads
        self.roles = self.session.roles
        self.rank = self.roles.index(self.session.role)
        self.programs = {}
        with self.session.span("connect"):
            self.link = self.connected()
            self.runtime = spu.Runtime(self.link, config)
        self.io = spu.Io(len(self.roles), config)
        with self.session.span("compile"):
            self.program(self.session.batch)
        with self.session.span("warm up"):
            self.warm_up()
        with self.session.span("share weights"):
            own = veilbench_numpy.load(self.session) if self.session.weights else None
            for at, shapes in enumerate(veilbench_numpy.shapes(self.session.architecture)):
                for what in shapes:
                    self.share(f"{what}{at}", own and own[at][what], self.roles.index("model-owner"))

    def connected(self):
        description = self.libspu.link.Desc()
        description.recv_timeout_ms = PATIENCE_MS
        for role in self.roles:
            description.add_party(role, f"{self.session.addresses[role]}:{PORT}")
        return self.libspu.link.create_brpc(description, self.rank)

    def warm_up(self):
        """What a protocol makes once before its first product and comparison, such as the base of Cheetah's oblivious
        transfers, belongs to the setup."""
        program = self.made.compiled(SMALLEST, veilbench_numpy.shapes(SMALLEST), 1)
        for name in program.input_names:
            shape = (1, 1) if name != "bias0" else (1,)
            self.share(name, numpy.ones(shape), self.roles.index("model-owner"))
        self.runtime.run(program)

    def program(self, count):
        """The program for batches of `count` images, which every party compiles from what all know."""
        if count not in self.programs:
            shapes = veilbench_numpy.shapes(self.session.architecture)
            self.programs[count] = self.made.compiled(self.session.architecture, shapes, count)
        return self.programs[count]

    def share(self, name, values, owner):
        """Shares of the owner's values, one with every party under this name."""
        if self.rank == owner:
            values = numpy.ascontiguousarray(values, "f4")
            for rank, share in enumerate(self.io.make_shares(values, self.libspu.Visibility.VIS_SECRET)):
                if rank == owner:
                    self.runtime.set_var(name, share)
                else:
                    self.send(rank, share)
        else:
            self.runtime.set_var(name, self.received(owner))

    def send(self, rank, share):
        self.link.send(rank, share.meta)
        self.link.send(rank, len(share.share_chunks).to_bytes(4, "little"))
        for chunk in share.share_chunks:
            self.link.send(rank, chunk)

    def received(self, rank):
        share = self.libspu.Share()
        share.meta = self.link.recv(rank)
        count = int.from_bytes(self.link.recv(rank), "little")
        share.share_chunks = [self.link.recv(rank) for _ in range(count)]
        return share

    def online(self, count, images):
        owner = self.roles.index("data-owner")
        program = self.program(count)
        with self.session.span("share images"):
            self.share(self.made.IMAGES, images and veilbench_numpy.images(self.session, images), owner)
        with self.session.span("evaluate"):
            self.runtime.run(program)
        with self.session.span("reveal"):
            share = self.runtime.get_var(program.output_names[0])
            if self.rank != owner:
                self.send(owner, share)
                return None
            shares = [share if rank == owner else self.received(rank) for rank in range(len(self.roles))]
            return self.io.reconstruct(shares).astype("<f4").tobytes()


def serve(protocol):
    """Plays the role the harness names, of `SEMI2K`, `CHEETAH` or `ABY3`."""
    party = type("Party", (Party,), {"protocol": protocol})
    veilbench_party.serve(dict.fromkeys(["data-owner", "model-owner", "helper"], party))
