"""Which faults come when. Pure: the same seed makes the same plan."""

import random
from dataclasses import dataclass

from names import AGENTS, DOCKERD, ETCDS, GROUPS, IN_CONTAINERS

# Which master these are is known when the fault comes.
ROLES = ("leader", "standby")
ON_MEMBERS = ("kill", "crash", "pause", "slow")
ON_LINKS = ("cut", "cut-one-way", "drop", "delay")
# The way from an agent to its engine is no network: it has no packets to drop.
ON_WIRE = ("cut", "cut-one-way", "delay")

# All members of etcd together: one fault at a time is enough.
ETCD = "a member of etcd"

# From the beginning of one fault to that of the next, and how long one lasts.
GAP_SECONDS = (2.0, 9.0)
LONG_SECONDS = (1.5, 12.0)
# After so many faults all is left alone for a while: what a fault did must be over then.
ROUND = 5
REST_SECONDS = 30.0


@dataclass(frozen=True)
class Fault:
    # Seconds after the beginning, and how long it lasts.
    at: float
    seconds: float
    kind: str
    # A member or a group; for a fault on a link the side that sends, where only one way is cut.
    member: str
    # The other side of the link: a member, a group, or the client.
    other: str = ""
    # Share of packets that is dropped, or seconds by which they come late.
    amount: float = 0.0

    @property
    def until(self):
        return self.at + self.seconds

    def __str__(self):
        link = f" {'->' if self.kind == 'cut-one-way' else '<->'} {self.other}" if self.other else ""
        amount = {"drop": f" {self.amount:.0%} of packets", "delay": f" {self.amount * 1000:.0f} ms"}.get(self.kind, "")
        return f"{self.kind} {self.member}{link}{amount} for {self.seconds:.1f} s"


# What `make test` runs: one of each that has a story.
SELECTION = (
    Fault(2, 3, "kill", "leader"),
    Fault(15, 9, "pause", "leader"),
    Fault(33, 8, "cut", "leader", "etcd"),
    Fault(49, 6, "cut-one-way", "agent-1", "leader"),
    Fault(58, 5, "kill", "quorum"),
    Fault(68, 4, "kill", "agent-2"),
    Fault(69, 4, "kill", DOCKERD),
    Fault(79, 4, "cut", IN_CONTAINERS, DOCKERD),
)


def plan(seed, seconds):
    """The faults of so many seconds, by their beginning. All are over in time, with a rest at the end."""
    chance = random.Random(seed)
    faults, at = [], 3.0
    while True:
        at += REST_SECONDS if faults and len(faults) % ROUND == 0 else chance.uniform(*GAP_SECONDS)
        long = min(chance.uniform(*LONG_SECONDS), seconds - at)
        if long < LONG_SECONDS[0]:
            return faults
        under_way = [fault for fault in faults if fault.until + 1 > at]
        fault = _draw(chance, round(at, 1), round(long, 1))
        # One of three etcd members may be gone; whoever is gone already cannot go again.
        while any(_clash(fault, other) for other in under_way):
            fault = _draw(chance, round(at, 1), round(long, 1))
        faults.append(fault)


def _draw(chance, at, long):
    kind = chance.choice(ON_MEMBERS + ON_LINKS)
    if kind == "crash":
        return Fault(at, long, kind, chance.choice(AGENTS))
    if kind in ON_MEMBERS:
        # Masters as often as all agents, and as all members of etcd.
        return Fault(at, long, kind, chance.choice(chance.choice((ROLES, (*AGENTS, DOCKERD), (*ETCDS, "quorum")))))
    ends = [*_link(chance)]
    if DOCKERD in ends and kind not in ON_WIRE:
        kind = "cut"
    if kind == "cut-one-way":
        chance.shuffle(ends)
    amount = {"drop": chance.choice((0.1, 0.3)), "delay": chance.choice((0.02, 0.1, 0.4))}.get(kind, 0.0)
    return Fault(at, long, kind, *ends, amount)


def _link(chance):
    """Two ends that speak with each other."""
    master = chance.choice(ROLES)
    return chance.choice(
        (
            (master, "client"),
            (master, chance.choice(AGENTS)),
            (master, "agents"),
            (master, chance.choice(ETCDS)),
            (master, "etcd"),
            ROLES,
            tuple(chance.sample(ETCDS, 2)),
            (IN_CONTAINERS, DOCKERD),
        )
    )


def _clash(one, other):
    ends, others = (_hosts(fault) for fault in (one, other))
    return bool(ends & others) or (ETCD in ends and ETCD in others)


def _hosts(fault):
    """What it is at, as far as another fault must not be there at the same time."""
    found = set()
    for end in (fault.member, fault.other):
        if end in (*ETCDS, "quorum"):
            found.add(ETCD)
        found.add(IN_CONTAINERS if end == DOCKERD else end)
    return found - {""}
