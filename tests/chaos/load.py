"""Callers of every kind, on the client's host, and who looks what became of what was accepted."""

import random
import threading
import time

from client import Client, until_accepted
from functions import HOLD_SECONDS, TIMEOUT_SECONDS, function
from machines import MACHINES
from record import Accepted, Call

# A client in a hurry, and one that waits as long as the contract lets a call take: held, run, and some more.
HURRY_SECONDS = 5.0
PATIENCE_SECONDS = HOLD_SECONDS + TIMEOUT_SECONDS + 5.0
# How long what was accepted may take to its end once all faults are over.
FOLLOW_SECONDS = 120.0
ENDS = ("Succeeded", "Failed")


class Load:
    """Runs from `start` to `end`; what came of it stands in `calls`, `later` and `runs`."""

    def __init__(self, fleet, seed):
        self.calls = []
        self.later = []
        self.runs = []
        # Functions that were applied and deleted again; problems where they were not as they should be.
        self.churned = 0
        self.problems = []
        self._fleet = fleet
        self._seed = seed
        self._over = threading.Event()
        kinds = [(self._caller, ("quick", HURRY_SECONDS, 6))] * 2 + [(self._caller, ("slow", PATIENCE_SECONDS, 3))] * 2
        kinds += [(self._postpone, ("later", 3))] * 2 + [(self._postpone, ("fails", 0.3)), (self._run, (0.7,)), (self._run, (0.7,)), (self._follow, ()), (self._churn, ())]
        self._threads = [threading.Thread(target=self._begin, args=(number, *kind), name=f"load-{number}", daemon=True) for number, kind in enumerate(kinds)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def end(self):
        """No new calls; those under way are waited for."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _begin(self, number, work, arguments):
        try:
            self._fleet.client.enter()
            work(Client(self._fleet.gateways), random.Random(f"{self._seed} {number}"), *arguments)
        except Exception as error:
            # Without it the test would be worth less and nobody would know.
            self.problems.append(f"load-{number} gave up: {error!r}")

    def _pause(self, chance, rate):
        return self._over.wait(chance.expovariate(rate))

    def _caller(self, client, chance, name, patience, rate):
        while not self._pause(chance, rate):
            n, began, clock = chance.randint(1, 9999), time.time(), time.monotonic()
            answer = client.ask("POST", f"/function/{name}", {"n": n}, patience)
            right = answer.status == 200 and answer.document == n + 1
            self.calls.append(Call(name, answer.master, began, time.monotonic() - clock, answer.status, right, answer.text[:300]))

    def _postpone(self, client, chance, name, rate):
        while not self._pause(chance, rate):
            n, key = chance.randint(1, 9999), f"{name}-{chance.getrandbits(64):016x}"
            answer = until_accepted(client, f"/function/{name}", {"n": n, "key": key}, self._over, **{"Idempotency-Key": key})
            if answer.status != 202:
                self._refused(name, answer)
                continue
            one = Accepted(name, key, n + 1 if name == "later" else None, [answer.location])
            self.later.append(one)
            # Some clients ask again, as if they had not heard the answer.
            if chance.random() < 0.2:
                again = client.ask("POST", f"/function/{name}", {"n": n, "key": key}, HURRY_SECONDS, Prefer="respond-async", **{"Idempotency-Key": key})
                if again.status == 202:
                    one.locations.append(again.location)

    def _run(self, client, chance, rate):
        while not self._pause(chance, rate):
            # An attempt whose answer was lost may have begun a run: the next one is another one.
            machine, n, key = chance.choice(MACHINES), chance.randint(1, 99), f"run-{chance.getrandbits(64):016x}"
            answer = client.ask("POST", machine.path, {"n": n, "key": key}, HURRY_SECONDS, Prefer="respond-async")
            if answer.status == 202:
                self.runs.append(Accepted(machine.name, key, {"key": key, "n": machine.outcome(n)}, [answer.location]))

    def _refused(self, name, answer):
        if not self._over.is_set():
            self.problems.append(f"{name} was not accepted for two minutes: {answer.status} {answer.text[:200]}")

    def _churn(self, client, chance):
        """Functions come, are called and go."""
        while not self._over.wait(chance.uniform(2, 6)):
            name, n = f"brief-{self.churned}", chance.randint(1, 9999)
            manifest = function(name, f"def main(params):\n    return params['n'] + {n}\n")
            if not self._fleet.persist("apply", manifest, self._over):
                continue
            began, clock = time.time(), time.monotonic()
            answer = client.ask("POST", f"/function/{name}", {"n": 1}, PATIENCE_SECONDS)
            right = answer.status == 200 and answer.document == 1 + n
            self.calls.append(Call(name, answer.master, began, time.monotonic() - clock, answer.status, right, answer.text[:300]))
            self._fleet.persist("delete", manifest, self._over)
            self.churned += 1

    def _follow(self, client, chance):
        while not self._over.wait(0.5):
            for one in [one for one in [*self.later, *self.runs] if not one.looks][:20]:
                look_at(client, one)

    def follow_all(self):
        """After the faults: waits until all has ended, then looks twice more at each. In a thread on the client's host."""
        self._fleet.client.within(self._begin, "end", self._follow_all, ())

    def _follow_all(self, client, _):
        until = time.monotonic() + FOLLOW_SECONDS
        while (left := [one for one in [*self.later, *self.runs] if not one.looks]) and time.monotonic() < until:
            for one in left:
                look_at(client, one)
            time.sleep(0.5)
        for _ in range(2):
            for one in [*self.later, *self.runs]:
                if one.looks:
                    look_at(client, one)


def look_at(client, one, **headers):
    """Notes the end of an accepted call or run, when there is one."""
    answer = client.ask("GET", one.locations[0], patience=HURRY_SECONDS, **headers)
    found = answer.document
    if answer.status != 200 or not isinstance(found, dict):
        one.last_state = f"{answer.status} {answer.text[:100]}"
        if answer.status == 404:
            # It was accepted, and is not there.
            one.looks.append(("gone", None, answer.text[:200]))
        return
    state = found.get("state") or found.get("phase")
    one.last_state = str(state)
    if state in ENDS:
        one.ended = one.ended or time.time()
        result = found.get("output") if "/runs/" in one.locations[0] else found.get("result")
        one.looks.append((state, result if state == "Succeeded" else None, str(found.get("error") or "")))
