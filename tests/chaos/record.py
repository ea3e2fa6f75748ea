"""What is noted while faults go on; the checker judges by nothing else. Times are seconds since 1970."""

import base64
from dataclasses import dataclass, field
from typing import Optional

# In place of an HTTP status: the connection could not be made or broke; no answer while the client waited.
BROKEN = 0
HUNG = -1
# The key by which a master leads, and the number that its reign has.
LEADER_KEY = "/troupe/k/troupe/leader"
EPOCH_KEY = "/troupe/k/troupe/epoch"
# What the cluster keeps; parts of large values stand elsewhere, and count for nothing until they are named here.
STATE = "/troupe/k/"


@dataclass(frozen=True)
class Disturbance:
    """A fault as it was carried out."""

    what: str
    kind: str
    # Names of the hosts at whose program or connection it was.
    hosts: frozenset
    began: float
    ended: float


@dataclass(frozen=True)
class Call:
    """A request that was answered at once, or not."""

    what: str
    # The master it was sent to; empty when none took the connection.
    master: str
    began: float
    seconds: float
    # HTTP status, BROKEN or HUNG.
    status: int
    # Whether the answer is the one that was expected.
    right: bool
    text: str = ""

    @property
    def ended(self):
        return self.began + self.seconds


@dataclass
class Accepted:
    """An asynchronous call or a run that was answered with 202."""

    what: str
    # The idempotency key, or the number of the run: what its journal lines carry.
    key: str
    # The result that it must have; None for a call that can only become a dead letter.
    wanted: object
    # Where it is, as often as it was accepted under the key.
    locations: list = field(default_factory=list)
    # Its state, result and error, at each look after its end; without one the last state that was seen.
    looks: list = field(default_factory=list)
    last_state: str = ""
    # When it was first seen to have ended.
    ended: float = 0.0


@dataclass(frozen=True)
class Execution:
    """A line that a function wrote when it ran."""

    at: float
    key: str
    step: str
    host: str


@dataclass(frozen=True)
class Link:
    """An agent took a master's welcome."""

    at: float
    agent: str
    epoch: int


@dataclass(frozen=True)
class Write:
    """A change of a key in etcd."""

    revision: int
    key: str
    # What it is now; None when the key went; empty for keys that say nothing of who leads.
    value: Optional[str]

    @classmethod
    def told(cls, event):
        """From an event as etcd's client tells it."""
        kv = event["kv"]
        key = base64.b64decode(kv["key"]).decode(errors="replace")
        value = base64.b64decode(kv.get("value", "")) if key in (LEADER_KEY, EPOCH_KEY) else b""
        gone = event.get("type") in (1, "DELETE")
        return cls(int(kv["mod_revision"]), key, None if gone else value.lstrip(b"\0").decode(errors="replace"))
