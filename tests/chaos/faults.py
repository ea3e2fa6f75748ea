"""Carries out a plan on a fleet: each fault begins and ends in its time; what was done is noted."""

import threading
import time

from cluster import Failure

from fleet import AGENTS, ETCDS, MASTERS
from links import Cut, Delay
from record import Disturbance

GROUPS = {"agents": AGENTS, "etcd": ETCDS}


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
        member, others = self.resolve(fault.member), self._others(fault.other)
        begin, end = self._means(fault, member, others)
        said = f"{fault} ({member})" if member != fault.member else str(fault)
        began = time.time()
        begin()
        self._tell(said)
        hosts = frozenset([member, *others])
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

    def _others(self, name):
        if name in GROUPS:
            return GROUPS[name]
        return (self.resolve(name),) if name else ()

    def _means(self, fault, name, others):
        """What begins the fault and what ends it."""
        member = self._fleet.members.get(name)
        if fault.kind == "kill":
            return member.kill, member.start
        if fault.kind == "crash":
            return member.crash, member.boot
        if fault.kind == "pause":
            return member.pause, member.wake
        ways = [way for other in others for way in self._ways(fault, name, other)]
        return (lambda: [way.begin() for way in ways]), (lambda: [way.end() for way in ways])

    def _ways(self, fault, name, other):
        here, there = self._fleet.hosts[name], self._fleet.hosts[other]
        if fault.kind == "delay":
            return [Delay(here, there, fault.amount), Delay(there, here, fault.amount)]
        chance = fault.amount if fault.kind == "drop" else 1.0
        there_way = Cut(here, there, chance)
        return [there_way] if fault.kind == "cut-one-way" else [there_way, Cut(there, here, chance)]
