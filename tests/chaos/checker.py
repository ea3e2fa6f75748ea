"""Whether what was seen may be: the only judge of the fault tests. Pure; each function returns its problems as texts."""

from collections import Counter, defaultdict

from functions import HOLD_SECONDS, TIMEOUT_SECONDS
from record import BROKEN, EPOCH_KEY, HUNG, LEADER_KEY, STATE

# What a call may be answered with while something is wrong. 408: a program that was paused finds, when it wakes up, that the
# request's head did not come in time; nothing was done.
EXCUSES = {408, 429, 502, 503, 504, BROKEN, HUNG}
# The longest that the contract lets a call take here: held, and run.
LONGEST_SECONDS = float(HOLD_SECONDS + TIMEOUT_SECONDS)
# So long after a fault its consequences may be felt: a node is NotReady after 15 s, then its pods are replaced.
RECOVERY_SECONDS = 30.0
# A request that was held up on its way arrives so long after at most.
LATE_SECONDS = 10.0
# A leader that lost the lead learns it within so long: it looks four times in the 5 s of its lease.
NOTICE_SECONDS = 3.0
# Faults after which a request that was sent before may still arrive.
HOLDING_UP = {"pause", "slow", "cut", "cut-one-way", "drop", "delay"}
ENDS = {"Succeeded", "Failed"}


def calls(calls, disturbances):
    """Calls are answered rightly, or with an error that a fault explains, and none hangs that could be answered."""
    problems = []
    for call in calls:
        if call.status not in EXCUSES:
            if not call.right:
                problems.append(f"{_told(call)} is wrong")
            continue
        near = [one for one in disturbances if one.began <= call.ended and one.ended + RECOVERY_SECONDS >= call.began]
        if not near:
            problems.append(f"{_told(call)} while all was well")
        elif call.status == HUNG and call.seconds > LONGEST_SECONDS and not any({call.master, "client"} & one.hosts for one in near):
            problems.append(f"{_told(call)} although nothing was wrong at {call.master}")
    return problems


def _told(call):
    status = {BROKEN: "no connection", HUNG: "no answer"}.get(call.status, call.status)
    return f"call of {call.what} at {call.master or 'any master'}, begun {call.began:.1f}, after {call.seconds:.1f} s: {status} {call.text}"


def asynchronous(accepted, executions):
    """Each accepted call ended once, in its result or as a dead letter."""
    problems = _ended(accepted)
    ran = {execution.key for execution in executions}
    for one in accepted:
        if len(set(one.locations)) > 1:
            problems.append(f"{one.what} {one.key} was accepted as more than one call: {sorted(set(one.locations))}")
        for state, result, _ in one.looks[:1]:
            if state == "Succeeded" and one.wanted is None:
                problems.append(f"{one.what} {one.key} succeeded with {result}, and cannot")
            elif state == "Succeeded" and result != one.wanted:
                problems.append(f"{one.what} {one.key} gave {result}, not {one.wanted}")
            if state == "Succeeded" and one.key not in ran:
                problems.append(f"{one.what} {one.key} succeeded and never ran")
    return problems


def runs(accepted):
    """Each accepted run ended with the right output."""
    problems = _ended(accepted)
    for one in accepted:
        for look in one.looks[:1]:
            if look[:2] != ("Succeeded", one.wanted):
                problems.append(f"run {one.key} at {one.locations[0]} ended with {look}, not with {one.wanted}")
    return problems


def _ended(accepted):
    problems = []
    for one in accepted:
        where = f"{one.what} {one.key} at {one.locations[0]}"
        if not one.looks:
            problems.append(f"{where} has not ended: {one.last_state or 'it was never seen'}")
        elif len({repr(look) for look in one.looks}) > 1:
            problems.append(f"{where} ended more than once: {one.looks}")
        elif one.looks[0][0] not in ENDS:
            problems.append(f"{where} ended with the unknown state {one.looks[0]}")
    return problems


def steps(stages, accepted, executions, disturbances):
    """No step that was journaled as finished ran again. It was, when one of a later stage began or the run was seen to end.

    `stages`: by the kind of a run, its steps that may be under way together, in their order; none where steps may run again.
    """
    problems, by_run = [], defaultdict(list)
    for execution in executions:
        by_run[execution.key].append(execution)
    for run in accepted:
        rank = {step: number for number, stage in enumerate(stages[run.what]) for step in stage}
        key, lines, furthest = run.key, [line for line in by_run[run.key] if line.step in rank], -1
        if run.looks and run.looks[0][0] == "Succeeded":
            missing = sorted(set(rank) - {line.step for line in lines})
            problems += [f"run {key} succeeded and its step {step} never ran" for step in missing]
        for line in sorted(lines, key=lambda line: line.at):
            over = rank[line.step] < furthest or line.at > (run.ended or line.at)
            if over and not _was_held_up(line, disturbances):
                told = ", ".join(f"{one.step} {one.at:.2f} {one.host}" for one in lines)
                problems.append(f"run {key}: step {line.step} ran at {line.at:.2f} on {line.host} when it was finished already ({told})")
            furthest = max(furthest, rank[line.step])
    return problems


def _was_held_up(line, disturbances):
    """Whether it may be a request that was sent before the step was finished."""
    return any(one.kind in HOLDING_UP and line.host in one.hosts and one.began <= line.at <= one.ended + LATE_SECONDS for one in disturbances)


def leaders(writes, links):
    """There was one leader at a time, nothing was written while there was none, and only the last one was followed.

    `writes`: all that was written to etcd. Each reign says its number once, and it is higher than those before.
    """
    problems, leader, epochs, numbered = [], "", [], True
    for write in writes:
        if write.key == LEADER_KEY:
            if write.value and leader:
                problems.append(f"revision {write.revision}: {write.value} took the lead while {leader} had it")
            leader, numbered = write.value or "", False
        elif write.key.startswith(STATE) and not leader:
            problems.append(f"revision {write.revision}: {write.key} was written while nobody led")
        if write.key == EPOCH_KEY:
            if numbered or any(int(write.value) <= epoch for epoch in epochs):
                problems.append(f"revision {write.revision}: epoch {write.value} after {epochs}, by {leader}, whose own it is not")
            epochs.append(int(write.value))
            numbered = True
    problems += [f"{link.agent} followed epoch {link.epoch} at {link.at:.1f}, which nobody began" for link in links if link.epoch not in epochs]
    for link in links:
        newer = [one for one in links if one.epoch > link.epoch and one.at + NOTICE_SECONDS < link.at]
        if newer:
            problems.append(f"{link.agent} followed epoch {link.epoch} at {link.at:.1f}, {newer[0].agent} had followed {newer[0].epoch} at {newer[0].at:.1f}")
    return problems


def pods(objects, failed, directories):
    """Each pod that the cluster knows is on its node, and no node has one that the cluster does not know.

    Those that failed may be there still, with what they said. All are pairs of node and uid.
    """
    problems = [f"pod {uid} should be on {node}, and is not" for node, uid in sorted(set(objects) - set(directories))]
    return problems + [f"pod {uid} is on {node}, and nobody knows it" for node, uid in sorted({*directories} - {*objects, *failed})]


def containers(there, wanted):
    """An engine has the containers that its agent knows, each once, and no others."""
    problems = [f"container {one} is there {times} times" for one, times in sorted(Counter(there).items()) if times > 1]
    problems += [f"container {one} should be there, and is not" for one in sorted(set(wanted) - set(there))]
    return problems + [f"container {one} is there, and its agent does not know it" for one in sorted(set(there) - set(wanted))]


def hosts(executions, agents):
    """Every agent's host had a part in it: a fault on one without pods would show nothing."""
    return [f"nothing ever ran on {name}" for name in agents if name not in {execution.host for execution in executions}]


def longest_gap(calls, began, ended):
    """The longest time without a right answer, and when it began."""
    times = [began, *sorted(call.ended for call in calls if call.right), ended]
    return max((after - before, before) for before, after in zip(times, times[1:]))
