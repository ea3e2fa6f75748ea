"""What came of every call, and whether it may have: the soak's only judge. Pure."""

import re
from collections import Counter
from dataclasses import dataclass

POD = re.compile(r"on pod ([a-z0-9-]+)")


@dataclass(frozen=True)
class Call:
    function: str
    # HTTP status, or 0 when the connection broke.
    status: int
    # Whether the answer is the one that was expected.
    right: bool
    # The answer, or what went wrong; at most some hundred characters.
    text: str
    seconds: float


def killed_with(call, killed):
    """Whether a call was in a pod that the soak killed, and the platform said so."""
    named = POD.search(call.text)
    return call.status == 502 and "PodDied" in call.text and named is not None and named[1] in killed


def lost(calls, killed):
    """The calls that nothing excuses. `killed`: the names of the pods that were killed."""
    return [call for call in calls if not call.right and not killed_with(call, killed)]


def summary(calls, killed):
    """Calls by function: how many, how many in killed pods, the slowest."""
    rows = []
    for function, count in sorted(Counter(call.function for call in calls).items()):
        own = [call for call in calls if call.function == function]
        excused = sum(killed_with(call, killed) for call in own)
        rows.append((function, count, excused, max(call.seconds for call in own)))
    return rows
