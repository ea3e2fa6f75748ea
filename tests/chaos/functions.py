"""What is called while faults go on. Functions tell the witness when they run, so that it is known what ran, when and where."""

from machines import FORMULAS, MACHINES

STEP_SECONDS = 0.3
# Calls wait for a pod so long at most, and then take so long at most: no longer than it takes to notice a node that
# vanished, whose calls are lost all the same and not late.
HOLD_SECONDS = 20
TIMEOUT_SECONDS = 5
# Steps of runs may take longer than any fault: one on a host that says nothing is lost and tried again, and not late.
STEP_TIMEOUT_SECONDS = 30

# The functions that runs are made of.
STEPS = (*FORMULAS, "unsure", "refuses")

TELL = """import json, os, socket, time

def note(step, key):
    line = json.dumps([time.time(), key, step, os.urandom(8).hex()]) + "\\n"
    while True:
        try:
            with socket.create_connection({witness!r}, 1) as one:
                one.settimeout(1)
                one.sendall(line.encode())
                return int(one.makefile().readline())
        except (OSError, ValueError):
            time.sleep(0.1)

def main(params):
"""


def sources(witness):
    """The functions' code by their names."""
    telling = TELL.format(witness=witness)
    found = {
        "quick": "def main(params):\n    return params['n'] + 1\n",
        "slow": "import time\ndef main(params):\n    time.sleep(1)\n    return params['n'] + 1\n",
        "later": f"{telling}    note('later', params['key'])\n    time.sleep(0.2)\n    return params['n'] + 1\n",
        "fails": f"{telling}    note('fails', params['key'])\n    raise ValueError(params['n'])\n",
        "unsure": f"class Transient(Exception):\n    pass\n\n{telling}    if note('unsure', params['key']) == 0:\n        raise Transient()\n"
        "    return {'key': params['key'], 'n': sum(params['n'])}\n",
        "refuses": f"class Final(Exception):\n    pass\n\n{telling}    note('refuses', params['key'])\n    raise Final()\n",
    }
    for name, formula in FORMULAS.items():
        body = f"    n = params['n']\n    note(params.get('step', {name!r}), params['key'])\n    time.sleep({STEP_SECONDS})\n"
        found[name] = f"{telling}{body}    return {{'key': params['key'], 'n': {formula}}}\n"
    return found


def function(name, code, replicas=0, timeout=TIMEOUT_SECONDS):
    """A Function with its code in it."""
    scaling = {"minReplicas": replicas, "maxReplicas": 3, "windowSeconds": 20}
    retry = {"attempts": 2} if name == "fails" else {"attempts": 20, "backoffSeconds": 1, "maxBackoffSeconds": 5}
    spec = {"source": {"inline": {"func.py": code}}, "access": "open", "timeoutSeconds": timeout, "concurrency": 4, "scaling": scaling, "retry": retry}
    return {"apiVersion": "v1", "kind": "Function", "metadata": {"name": name}, "spec": spec}


def manifests(witness):
    """All there is to apply, as documents; `witness`: host and port to whom functions tell that they run."""
    found = []
    for name, code in sources(witness).items():
        timeout = STEP_TIMEOUT_SECONDS if name in STEPS else TIMEOUT_SECONDS
        found.append(function(name, code, replicas=2 if name in ("quick", "slow") else 0, timeout=timeout))
    return found + [machine.manifest for machine in MACHINES]
