"""CrypTen on veilbench's links: a communicator, and a trusted third party that answers over them.

CrypTen calls one communicator for all it sends. This one exchanges messages over the session's links in the place of
torch.distributed's sockets, so that bytes and rounds are counted where those of every other backend are.
"""

import json

import crypten
import crypten.communicator
import crypten.mpc.provider.ttp_provider as ttp
import numpy
import torch
from torch.distributed import ReduceOp

# In the order of their ranks.
PARTIES = ["data-owner", "model-owner"]
DEALER = "dealer"


def words(tensor):
    """A tensor of 64-bit integers as a vector."""
    return tensor.contiguous().numpy().reshape(-1)


def tensor_of(message, shape):
    return torch.from_numpy(numpy.frombuffer(bytearray(message), "<i8")).reshape(shape)


class Done:
    """What an asynchronous call returns when it is over already."""

    def wait(self):
        pass


class Communicator(crypten.communicator.Communicator):
    """Two parties, each with one link to the other."""

    instance = None

    def __init__(self, session):
        self.session = session
        self.rank = PARTIES.index(session.role)
        self.peer = PARTIES[1 - self.rank]

    @classmethod
    def is_initialized(cls):
        return cls.instance is not None

    @classmethod
    def get(cls):
        return cls.instance

    def get_world_size(self):
        return len(PARTIES)

    def get_rank(self):
        return self.rank

    def isend(self, tensor, dst):
        self.session.send(self.peer, words(tensor))
        return Done()

    def irecv(self, tensor, src=None):
        tensor.copy_(tensor_of(self.session.receive(self.peer), tensor.shape))
        return Done()

    def broadcast(self, input, src, group=None, batched=False):
        for part in input if batched else [input]:
            self.isend(part, 1 - src) if self.rank == src else self.irecv(part)
        return input

    def all_reduce(self, input, op=ReduceOp.SUM, batched=False):
        parts = input if batched else [input]
        self.session.send(self.peer, numpy.concatenate([words(part) for part in parts]))
        result = self._combined(parts, op)
        return result if batched else result[0]

    def reduce(self, input, dst, op=ReduceOp.SUM, batched=False):
        parts = input if batched else [input]
        if self.rank != dst:
            self.session.send(self.peer, numpy.concatenate([words(part) for part in parts]))
            return None
        result = self._combined(parts, op)
        return result if batched else result[0]

    def _combined(self, parts, op):
        theirs = tensor_of(self.session.receive(self.peer), -1).split([part.numel() for part in parts])
        result = []
        for part, other in zip(parts, theirs):
            other = other.reshape(part.shape)
            result.append(part + other if op == ReduceOp.SUM else part ^ other)
        return result


class Client:
    """A party's side of the trusted third party: shares from a common seed, and what is left from the dealer."""

    instance = None

    def __init__(self, session):
        self.session = session
        self.generator = generator(int.from_bytes(session.receive(DEALER), "little"))

    @classmethod
    def get(cls):
        return cls.instance

    def get_generator(self, device=None):
        return self.generator

    def ttp_request(self, function, device, *args, **kwargs):
        request = {"function": function, "args": args, "kwargs": kwargs}
        self.session.send(DEALER, json.dumps(request).encode())
        shape, _, values = self.session.receive(DEALER).partition(b"\n")
        return tensor_of(values, json.loads(shape))


class Server(ttp.TTPServer):
    """The trusted third party, over links."""

    def __init__(self, seeds):
        self.device = "cpu"
        self.generators = [generator(seed) for seed in seeds]

    def answer(self, request):
        asked = json.loads(request)
        result = getattr(self, asked["function"])(*asked["args"], **asked["kwargs"]).contiguous()
        return json.dumps(list(result.shape)).encode() + b"\n" + result.numpy().tobytes()


def generator(seed):
    made = torch.Generator(device="cpu")
    made.manual_seed(seed)
    return made


def join(session):
    """Makes this process a party of CrypTen."""
    crypten.communicator.DistributedCommunicator = Communicator
    Communicator.instance = Communicator(session)
    crypten.cfg.mpc.provider = "TTP"
    crypten._setup_prng()
    ttp.TTPClient = Client
    Client.instance = Client(session)
