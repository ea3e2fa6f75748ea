"""Carries out a plan on a fleet: each fault begins and ends in its time; what was done is noted."""

import threading
import time

from cluster import Failure

import wire
from links import Cut, Delay
from member import Member
from names import DOCKERD, GROUPS, IN_CONTAINERS, MASTERS
from record import Disturbance
from slow import Slow


class Faults:
    """`disturbances` grows as faults begin and end; `tell` hears of each, in words for people."""

    def __init__(self, fleet, plan, tell=lambda text: None):
        self.disturbances = []
        self.problems = []
        self._fleet = fleet
        self._plan = plan
        self._tell = tell
        self._leader = MASTERS[0]
        self._stop = threading.Event()

    def run(self):
        """Until the last one is over. Whatever happens, nothing stays broken."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._one, args=(fault, began), name=str(fault)) for fault in self._plan]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _one(self, fault, origin):
        try:
            if self._stop.wait(max(0.0, origin + fault.at - time.monotonic())):
                return
            self._carry_out(fault)
        except (Failure, OSError) as error:
            self.problems.append(f"{fault}: {error}")

    def _carry_out(self, fault):
        members, others = self._resolved(fault.member), self._resolved(fault.other)
        begin, end = self._means(fault, members, others)
        said = f"{fault} ({', '.join(members)})" if members != (fault.member,) else str(fault)
        began = time.time()
        begin()
        self._tell(said)
        hosts = frozenset(IN_CONTAINERS if name == DOCKERD else name for name in (*members, *others))
        self._stop.wait(fault.seconds)
        end()
        self.disturbances.append(Disturbance(said, fault.kind, hosts, began, time.time()))
        self._tell(f"over: {said}")

    def resolve(self, name):
        """The member that a role is played by now."""
        if name not in ("leader", "standby"):
            return name
        try:
            self._leader = self._fleet.leader() or self._leader
        except Failure:
            # Nobody can tell: the last one that was known.
            pass
        return self._leader if name == "leader" else next(one for one in MASTERS if one != self._leader)

    def _resolved(self, name):
        """The members that a name stands for."""
        if name in GROUPS:
            return GROUPS[name]
        return (self.resolve(name),) if name else ()

    def _means(self, fault, names, others):
        """What begins the fault and what ends it."""
        if others:
            means = [way for name in names for other in others for way in self._ways(fault, name, other)]
            return (lambda: [way.begin() for way in means]), (lambda: [way.end() for way in means])
        if fault.kind == "crash":
            return (lambda: [self._fleet.crash(name) for name in names]), (lambda: [self._fleet.boot(name) for name in names])
        members = [self._fleet.members[name] for name in names]
        if fault.kind == "slow":
            slow = Slow(members)
            return slow.begin, slow.end
        begin, end = {"kill": (Member.kill, Member.start), "pause": (Member.pause, Member.wake)}[fault.kind]
        return (lambda: [begin(member) for member in members]), (lambda: [end(member) for member in members])

    def _on_wire(self, fault, name):
        """The ways between an agent and its engine: no network, and so no packets."""
        there, back = self._fleet.wire.there, self._fleet.wire.back
        if fault.kind == "delay":
            return [wire.Slow(there, fault.amount), wire.Slow(back, fault.amount)]
        if fault.kind == "cut-one-way":
            return [back if name == DOCKERD else there]
        return [there, back]

    def _ways(self, fault, name, other):
        if DOCKERD in (name, other):
            return self._on_wire(fault, name)
        here, there = self._fleet.hosts[name], self._fleet.hosts[other]
        if fault.kind == "delay":
            return [Delay(here, there, fault.amount), Delay(there, here, fault.amount)]
        chance = fault.amount if fault.kind == "drop" else 1.0
        there_way = Cut(here, there, chance)
        return [there_way] if fault.kind == "cut-one-way" else [there_way, Cut(there, here, chance)]
