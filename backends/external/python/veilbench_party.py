"""The party protocol of veilbench, version 1 (PROTOCOL.md), for roles in Python 3.7 or newer. No dependencies.

A role is a class; `serve` takes this process through the session:

    class DataOwner(veilbench_party.Role):
        def online(self, count, images):
            self.session.send("model-owner", images)
            return self.session.receive("model-owner")

    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})

Whatever the role or a library prints goes to standard output and error as ever; the protocol has a socket of its own.
"""

import array
import ast
import contextlib
import json
import os
import re
import socket
import struct
import sys
import time
import traceback

PROTOCOL = 1
LONGEST_NAME = 64


class OutOfRange(Exception):
    """Values went beyond what the backend represents, so that an answer would be wrong. `images`: those known to be
    concerned, from 0."""

    def __init__(self, reason, images=()):
        super().__init__(reason)
        self.images = list(images)


class Role:
    """One role. Every method is a phase; what is not needed stays as it is."""

    def __init__(self, session):
        self.session = session

    def setup(self):
        """What is done once per session: keys, loading, provisioning."""

    def offline(self, count):
        """Work for the next batch of `count` images that needs no image."""

    def online(self, count, images):
        """One batch of `count` images. `images` is None except at the role that holds them: bytes of little-endian
        float32, image after image. That role returns the logits likewise, count x classes of them."""


class Session:
    """What a role knows, and its links to the others."""

    def __init__(self, channel, briefing):
        self._channel = channel
        self._spans = {}
        self.backend = briefing["backend"]
        self.role = briefing["role"]
        self.roles = briefing["roles"]
        self.holds = briefing["holds"]
        self.architecture = briefing["architecture"]
        self.batch = briefing["batch"]
        self.threads = briefing["threads"]
        self.options = briefing["options"]
        self.weights = briefing["weights"]
        self.addresses = briefing.get("addresses")
        self._reported = {}

    def send(self, to, payload):
        """Sends one message, any bytes-like object."""
        payload = memoryview(payload).cast("B")
        self._channel.write({"type": "send", "to": to, "bytes": len(payload)}, payload)

    def receive(self, sender):
        """Waits for the next message of a peer and returns its bytes."""
        self._channel.write({"type": "receive", "from": sender})
        return self._channel.payload(self._channel.read("message")["bytes"])

    @contextlib.contextmanager
    def span(self, name):
        """Times a named part of the phase. Parts of one name add up; what a name cannot hold, such as a blank, becomes a hyphen."""
        name = re.sub(r"[^!-~]", "-", name)[:LONGEST_NAME]
        started = time.monotonic_ns()
        try:
            yield
        finally:
            self._spans[name] = self._spans.get(name, 0) + time.monotonic_ns() - started

    def report(self, peer, sent_bytes=0, received_bytes=0, sent_messages=0, received_messages=0):
        """Adds to what the system itself counted of this phase, where `bytes` of backend.toml is "self-reported"."""
        counted = self._reported.setdefault(peer, dict.fromkeys(("sent_bytes", "received_bytes", "sent_messages", "received_messages"), 0))
        for what, count in (("sent_bytes", sent_bytes), ("received_bytes", received_bytes),
                            ("sent_messages", sent_messages), ("received_messages", received_messages)):
            counted[what] += count

    def _take_reported(self):
        reported, self._reported = self._reported, {}
        return [{"peer": peer, **counted} for peer, counted in reported.items()]

    def _take_spans(self):
        spans, self._spans = self._spans, {}
        return [{"name": name, "wall_ns": wall_ns} for name, wall_ns in spans.items()]


class _Channel:
    """The control socket, which this process was given as standard input."""

    def __init__(self):
        self._socket = socket.socket(fileno=os.dup(0))
        self._input = self._socket.makefile("rb", buffering=1 << 16)
        # A library that reads standard input must not take the protocol's bytes.
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)

    def write(self, message, payload=b""):
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        self._socket.sendall(payload)

    def read(self, *due):
        line = self._input.readline()
        if not line:
            sys.exit("the harness is gone")
        message = json.loads(line)
        if message["type"] not in due:
            raise ValueError(f"{message['type']} where {' or '.join(due)} was due")
        return message

    def payload(self, count):
        payload = self._input.read(count)
        if len(payload) != count:
            sys.exit("the harness is gone")
        return payload


def serve(roles):
    """Plays the role the harness names, of `roles` by name, to the end of the session."""
    channel = _Channel()
    channel.write({"type": "hello", "protocol": PROTOCOL})
    try:
        session = Session(channel, channel.read("brief"))
        if session.role not in roles:
            raise ValueError(f"serve has no class for the role {session.role}, but for {', '.join(sorted(roles))}")
        role = roles[session.role](session)
        while _phase(channel, session, role):
            pass
    except OutOfRange as error:
        channel.write({"type": "failed", "reason": str(error), "out_of_range": error.images})
        sys.exit(1)
    except MemoryError as error:
        channel.write({"type": "failed", "reason": str(error), "out_of_memory": True})
        sys.exit(1)
    except Exception as error:
        traceback.print_exc()
        channel.write({"type": "failed", "reason": _reason(error)})
        sys.exit(1)


def _reason(error):
    """What went wrong and in which line, of the role's own files where one of them took part."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.realpath(frame.filename) != os.path.realpath(__file__)]
    frame = next((frame for frame in reversed(own) if os.path.dirname(os.path.realpath(frame.filename)) == os.getcwd()), (own or frames)[-1])
    hint = f" (this is {sys.executable}; see [install] in PROTOCOL.md)" if isinstance(error, ImportError) else ""
    return f"{type(error).__name__}: {error}{hint}, in {os.path.basename(frame.filename)} line {frame.lineno}"


def _phase(channel, session, role):
    command = channel.read("setup", "offline", "online", "leave")
    kind, count = command["type"], command.get("images")
    if kind == "leave":
        return False
    images = channel.payload(command["bytes"]) if command.get("bytes") else None
    logits = None
    started = time.monotonic_ns()
    if kind == "setup":
        role.setup()
    elif kind == "offline":
        role.offline(count)
    else:
        logits = role.online(count, images)
    ended = time.monotonic_ns()
    logits = memoryview(b"" if logits is None else logits).cast("B")
    done = {"type": "done", "started_ns": started, "ended_ns": ended, "spans": session._take_spans(), "bytes": len(logits)}
    reported = session._take_reported()
    if reported:
        done["exchanged"] = reported
    channel.write(done, logits)
    return True


def read_npy(path):
    """The shape and the values, as an `array` of float32, of a weights file. (With NumPy: `numpy.load`.)"""
    with open(path, "rb") as file:
        magic, version, length = struct.unpack("<6sHH", file.read(10))
        header = ast.literal_eval(file.read(length).decode())
        if magic != b"\x93NUMPY" or version != 1 or header["descr"] != "<f4" or header["fortran_order"]:
            raise ValueError(f"{path} is no float32 array in C order")
        values = array.array("f", file.read())
    if sys.byteorder == "big":
        values.byteswap()
    return header["shape"], values
