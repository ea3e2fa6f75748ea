"""Callers: each function is called at random for a while, then left alone until it is at zero, again and again."""

import json
import random
import threading
import time
import urllib.error
import urllib.request

from ledger import Call

PATIENCE = 120
# On for so long, then off: from zero and back. Long enough for a pod to be gone after the functions' window, and for
# that to be seen by who looks every few seconds.
ON_SECONDS = (4, 15)
OFF_SECONDS = (10, 14)
# At once, per function.
CALLERS = 3


def ask(url, body=None, headers=None):
    request = urllib.request.Request(url, body and body.encode(), {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def outcome(gateway, location):
    """What became of an accepted call: its status and its result, once it is over."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        status, _, text = ask(gateway + location)
        found = json.loads(text)
        if status != 200:
            return status, text
        if found["state"] in ("Succeeded", "Failed"):
            return found["statusCode"] or 0, json.dumps(found["result"]) if found["state"] == "Succeeded" else text
        time.sleep(0.2)
    return 0, f"no outcome of {location} after {PATIENCE} s"


def call(gateway, function, n):
    began = time.monotonic()
    wanted = function.wanted.format(n=n)
    try:
        headers = {"Prefer": "respond-async"} if function.asynchronous else {}
        status, headers, text = ask(f"{gateway}/function/{function.name}", function.body.format(n=n), headers)
        if function.asynchronous and status == 202:
            status, text = outcome(gateway, headers["Location"])
    except OSError as error:
        status, text = 0, str(error)
    right = status == function.status and (wanted in text if status != 200 else text.strip().strip('"') == wanted)
    return Call(function.name, status, right, text[:400], time.monotonic() - began)


class Load:
    """Runs until `end`; `calls` has what came of each."""

    def __init__(self, gateway, functions, seed):
        self.calls = []
        self._gateway = gateway
        self._over = threading.Event()
        self._threads = []
        for number, function in enumerate(functions):
            chance = random.Random(f"{seed} {function.name}")
            self._threads.append(threading.Thread(target=self._switch, args=(function, chance), name=f"load-{number}"))

    def start(self):
        for thread in self._threads:
            thread.start()

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _switch(self, function, chance):
        while not self._over.is_set():
            until = time.monotonic() + chance.uniform(*ON_SECONDS)
            callers = [
                threading.Thread(target=self._caller, args=(function, random.Random(chance.random()), until))
                for _ in range(chance.randint(1, CALLERS))
            ]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            self._over.wait(chance.uniform(*OFF_SECONDS))

    def _caller(self, function, chance, until):
        while time.monotonic() < until and not self._over.is_set():
            self.calls.append(call(self._gateway, function, chance.randint(1, 9999)))
            time.sleep(chance.expovariate(10))
