"""What clients saw, for people."""

from collections import Counter

import checker
from record import BROKEN, HUNG

AFTER_SECONDS = 10
NAMES = {BROKEN: "no connection", HUNG: "gave up waiting"}


def calls(calls):
    """A line for each function that was called."""
    groups = {}
    for call in calls:
        groups.setdefault("brief-*" if call.what.startswith("brief-") else call.what, []).append(call)
    found = []
    for what, own in sorted(groups.items()):
        errors = Counter(NAMES.get(call.status, call.status) for call in own if not call.right)
        told = ", ".join(f"{count} x {status}" for status, count in errors.most_common()) or "no error"
        times = sorted(call.seconds for call in own if call.right) or [0.0]
        right = len(own) - sum(errors.values())
        found.append(f"{what:34}{len(own):>6} calls, {right:>6} right, median {times[len(times) // 2] * 1000:.0f} ms; {told}")
    return found


def accepted(accepted):
    """A line for each kind of call or run that was accepted to be done later."""
    found = []
    for what in sorted({one.what for one in accepted}):
        states = Counter(one.looks[0][0] if one.looks else "not ended" for one in accepted if one.what == what)
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        found.append(f"{what + ' (later)':34}{sum(states.values()):>6} accepted: {told}")
    return found


def gap(calls, disturbance):
    """The longest time without a right answer to anybody, from a fault's beginning until some seconds after its end, and when it began."""
    last = max((call.ended for call in calls), default=disturbance.began)
    until = max(disturbance.began, min(disturbance.ended + AFTER_SECONDS, last))
    own = [call for call in calls if disturbance.began <= call.ended <= until]
    return checker.longest_gap(own, disturbance.began, until)


def gaps(calls, disturbances, origin):
    """A line for each fault."""
    found = []
    for one in sorted(disturbances, key=lambda one: one.began):
        seconds, at = gap(calls, one)
        found.append(f"{one.began - origin:6.1f} s  {one.what}: longest time without an answer {seconds:.1f} s, {at - one.began:.1f} s after its beginning")
    return found
