"""Which faults come when. Pure: the same seed makes the same plan."""

import random
from dataclasses import dataclass

AGENTS = ("agent-1", "agent-2", "agent-3")
ETCDS = ("etcd-1", "etcd-2", "etcd-3")
# Which master these are is known when the fault comes.
MASTERS = ("leader", "standby")
# All members of a kind at once.
GROUPS = ("agents", "etcd")
ON_MEMBERS = ("kill", "crash", "pause")
ON_LINKS = ("cut", "cut-one-way", "drop", "delay")

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
    # A member; for a fault on a link the side that sends, where only one way is cut.
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
    Fault(58, 5, "kill", "etcd-1"),
    Fault(66, 4, "kill", "agent-2"),
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
        return Fault(at, long, kind, chance.choice(chance.choice((MASTERS, AGENTS, ETCDS))))
    ends = [*_link(chance)]
    if kind == "cut-one-way" and ends[1] not in GROUPS:
        chance.shuffle(ends)
    amount = {"drop": chance.choice((0.1, 0.3)), "delay": chance.choice((0.02, 0.1, 0.4))}.get(kind, 0.0)
    return Fault(at, long, kind, *ends, amount)


def _link(chance):
    """Two ends that speak with each other."""
    master = chance.choice(MASTERS)
    return chance.choice(
        (
            (master, "client"),
            (master, chance.choice(AGENTS)),
            (master, "agents"),
            (master, chance.choice(ETCDS)),
            (master, "etcd"),
            tuple(chance.sample(ETCDS, 2)),
        )
    )


def _clash(one, other):
    ends, others = ({end for end in (fault.member, fault.other) if end} for fault in (one, other))

    def on_etcd(all_ends):
        return any(end in ETCDS for end in all_ends)

    return bool(ends & others) or (on_etcd(ends) and on_etcd(others))
