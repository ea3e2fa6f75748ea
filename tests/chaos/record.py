"""What is noted while faults go on; the checker judges by nothing else. Times are seconds since 1970."""

from dataclasses import dataclass, field

# In place of an HTTP status: the connection could not be made or broke; no answer while the client waited.
BROKEN = 0
HUNG = -1


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
class Term:
    """A change of the key by which a master leads: who took it, or that it went."""

    revision: int
    # Empty when the key went.
    who: str
