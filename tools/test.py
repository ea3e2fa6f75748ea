#!/usr/bin/env python3
"""Every test there is. Installs what they need where it is missing, leaves nothing running, ends with a table.

A suite that cannot run here is skipped with the reason; with CI=true that is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from cluster import ROOT, end_on_signals, target
import func_base as base
import machine
from emulation import emulation
from engine import engine
from packages import Lacking, is_root, need, python_with
from registry_image import registry_image

OLDEST_KUBECTL = (1, 27)
# End-to-end tests that need a Docker engine.
IN_CONTAINERS = ("architectures", "containers", "registries")
# A server that speaks S3, and where its Python is named.
S3 = ("moto.server, flask", "moto[server,s3]==5.2.5", "TROUPE_TEST_S3_PYTHON")
# End-to-end tests that need an etcd.
ON_ETCD = ("etcd", "masters", "restore", "secrets")
# End-to-end tests mostly wait for processes to start.
THREADS = 2 * (os.cpu_count() or 1)


@dataclass
class Result:
    suite: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    seconds: float = 0.0
    # What is told of its failures once more, below the table.
    reasons: list = field(default_factory=list)


def run(command, cwd=ROOT, **variables):
    """Runs a command, shows what it prints as it comes, and returns its exit code and output."""
    print(f"\n$ {' '.join(map(str, command))}", flush=True)
    lines = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


# How the runners name a test that failed, and our own programs a problem.
REASON = re.compile(r"^\s*(?:FAIL|TIMEOUT|ABORT|SIG[A-Z]+) \[|^FAILED |^PROBLEM |^soak: |^chaos: |^test .* FAILED$|^thread '.*' .*panicked at |^E   ")
MOST_REASONS = 8


def reasons(code, output):
    """The lines that say what failed, and what a test that panicked said; each once."""
    if code == 0:
        return []
    lines = output.splitlines()
    found = []
    for line, following in zip(lines, [*lines[1:], ""]):
        if REASON.search(line):
            said = f"{line.strip()} {following.strip()}" if "panicked at" in line else line.strip()
            found.append(said[:400])
    return list(dict.fromkeys(found))[:MOST_REASONS]


def number(pattern, text):
    return sum(int(found) for found in re.findall(pattern, text))


def counted(suite, code, output):
    """Counts from the closing lines of nextest, cargo test or pytest; a runner that broke is one failure."""
    lines = output.splitlines()
    # nextest shows what a failed test printed, and cargo's closing lines are part of that.
    closing = [line for line in lines if "Summary [" in line] or [
        line for line in lines if re.search(r"test result:|=.* in [\d.]+s|^\d+ (passed|failed).* in ", line)
    ]
    closing = "\n".join(closing)
    result = Result(suite)
    result.passed = number(r"(\d+) passed", closing)
    result.failed = number(r"(\d+) (?:failed|errors?|timed out|exec failed)\b", closing)
    result.skipped = number(r"(\d+) (?:skipped|ignored)", closing)
    if code != 0 and result.failed == 0:
        result.failed, result.note = 1, f"exit {code}"
    if code == 0 and result.passed == 0:
        result.failed, result.note = 1, "ran no test"
    result.reasons = reasons(code, output)
    return result


def whole(suite, code, output):
    """A program that is one test: it passed or not, and its last line says how."""
    note = output.splitlines()[-1] if output else ""
    return Result(suite, passed=int(code == 0), failed=int(code != 0), note=note, reasons=reasons(code, output))


def has_nextest():
    return subprocess.run(["cargo", "nextest", "--version"], capture_output=True).returncode == 0


def rust(suite, nextest_filter, cargo_selection, threads=None, **variables):
    if has_nextest():
        command = ["cargo", "nextest", "run", "--workspace", "--no-fail-fast", "--hide-progress-bar", "--status-level", "fail"]
        command += (["--test-threads", str(threads)] if threads else []) + ["-E", nextest_filter]
    else:
        command = ["cargo", "test", "--no-fail-fast", *cargo_selection]
    result = counted(suite, *run(command, **variables))
    if has_nextest():
        # nextest calls skipped what the filter leaves to other suites.
        result.skipped = 0
    return result


def python_for_tests():
    """A Python with what the tests of func-base need."""
    wanted = (ROOT / "func-base" / "tests" / "requirements.txt").read_text().split()
    return python_with("pytest", *wanted, home=target())


def func_base():
    python = python_for_tests()
    return counted("func-base", *run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], cwd=ROOT / "func-base"))


def function_base():
    """The image that functions run in: made twice, it is the same."""
    try:
        difference = base.differs(base.machine())
    except base.Failed as failed:
        difference = str(failed)
    return Result("image", passed=int(difference is None), failed=int(difference is not None), note=difference or "")


def units():
    # The container tests need an engine, and have a suite of their own.
    selection = "not package(tests) - (package(node-agent) & binary(docker)) - (package(master) & (binary(registry) + binary(etcd) + binary(blobs)))"
    return rust("crates", selection, ["--workspace", "--exclude", "tests"])


def containers():
    near = base.machine()
    far = next(arch for arch in base.ARCHITECTURES if arch != near)
    with ExitStack() as stack:
        # Both kinds of firewall are tried.
        need("nft", "nftables", "the rules that hold containers back")
        host = stack.enter_context(engine())
        # Its pods have no network: two engines in one network write over each other's rules.
        second = stack.enter_context(engine("--bridge=none", "--iptables=false", "--ip-masq=false"))
        variables = {
            "TROUPE_TEST_DOCKER_HOST": host,
            "TROUPE_TEST_SECOND_DOCKER_HOST": second,
            "TROUPE_TEST_REGISTRY_IMAGE": registry_image(host),
            "TROUPE_TEST_BASE_IMAGE": str(base.cached(near)),
        }
        note = ""
        try:
            stack.enter_context(emulation(far))
            variables["TROUPE_TEST_FOREIGN_BASE_IMAGE"] = str(base.cached(far))
        except Lacking as lacking:
            note = f"nothing on {far}: {lacking}"
        ours = "".join(f" + package(tests) & binary({name})" for name in IN_CONTAINERS)
        selection = f"package(node-agent) & binary(docker){ours}"
        arguments = ["-p", "node-agent", "-p", "tests", "--test", "docker", *selected(lambda name: name in IN_CONTAINERS)]
        result = rust("containers", selection, arguments, **variables)
        result.note = result.note or note
        return result


# What a pod may use, and what it counts when cores are short, under the other version of control groups.
UNDER_VERSION_2 = {
    "pool": ["one_that_waits_becomes_the_functions_pod", "one_that_is_being_started_comes_behind_calls"],
    "process": ["too_much_memory_ends_the_pod_and_is_the_reason"],
    "docker": [
        "warm::a_generic_container_becomes_the_functions_pod_and_has_its_limits",
        "escapes_from_warm_pods::limits_are_seen_from_the_inside",
        "escapes_from_warm_pods::a_function_that_eats_memory_is_ended_alone",
    ],
}
MACHINE_SECONDS = 900


def control_groups():
    """Pods under control groups of version 2, in a virtual machine that has no others."""
    # It has no network to install anything over.
    for program, package in (("dockerd", "docker.io"), ("iptables", "iptables"), ("ip", "iproute2")):
        need(program, package, "the engine in the virtual machine")
    build = ["cargo", "test", "-p", "node-agent", "--no-run", "--message-format", "json"]
    built = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = map(json.loads, filter(lambda line: line.startswith("{"), built.stdout.splitlines()))
    found = {line["target"]["name"]: line["executable"] for line in lines if line.get("executable")}
    if built.returncode != 0 or not UNDER_VERSION_2.keys() <= found.keys():
        return Result("control groups", failed=1, note="the tests were not built")
    programs = [f"{found[name]}:{','.join(tests)}" for name, tests in UNDER_VERSION_2.items()]
    command = [sys.executable, "tools/groups.py", base.cached(base.machine()), *programs]
    result = counted("control groups", *machine.run(command, ROOT, MACHINE_SECONDS))
    wanted = sum(map(len, UNDER_VERSION_2.values()))
    if result.failed == 0 and result.passed != wanted:
        result.failed, result.note = 1, f"{result.passed} of {wanted} tests ran"
    return result


def registry():
    with engine() as host:
        variables = {"TROUPE_TEST_DOCKER_HOST": host, "TROUPE_TEST_REGISTRY_IMAGE": registry_image(host)}
        return rust("registry", "package(master) & binary(registry)", ["-p", "master", "--test", "registry"], **variables)


def s3_python():
    """A Python with a server that speaks S3, as the tests find it."""
    modules, requirement, variable = S3
    return {variable: str(python_with(modules, requirement, home=target()))}


def blobs():
    """Code and layers in a directory and in an object store."""
    return rust("blobs", "package(master) & binary(blobs)", ["-p", "master", "--test", "blobs"], **s3_python())


def etcd():
    """The store in a real etcd, and clusters on it."""
    need("etcd", "etcd-server", "the store of several masters")
    need("etcdctl", "etcd-client", "its backup and restore")
    ours = " + ".join(f"binary({name})" for name in ON_ETCD)
    selection = f"package(master) & binary(etcd) + package(tests) & ({ours})"
    # Two test files of the same name: a plain cargo test runs both.
    arguments = ["-p", "master", "-p", "tests", *(word for name in ON_ETCD for word in ("--test", name))]
    return rust("etcd", selection, arguments, **s3_python())


def end_to_end():
    # These are in suites of their own.
    others = ("real_kubectl", *ON_ETCD, *IN_CONTAINERS)
    arguments = ["-p", "tests", *selected(lambda name: name not in others)]
    selection = "package(tests)" + "".join(f" - binary({name})" for name in others)
    return rust("end to end", selection, arguments, THREADS)


def step_functions():
    """AWS's SDK and command line against a running cluster."""
    wanted = (ROOT / "tests" / "step_functions" / "requirements.txt").read_text().split()
    python = python_with("boto3, pytest, awscli", *wanted, home=target())
    return counted("step functions", *run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/step_functions"]))


def soak():
    """A short one; `make soak` is the long one."""
    code, output = run([sys.executable, "-m", "unittest", "discover", "-s", "tests/soak"])
    if code == 0:
        code, output = run([sys.executable, "tests/soak/soak.py", "--seconds", "30", "--profile", "debug"])
    return whole("soak", code, output)


def faults():
    """A selection of faults on a cluster of eight hosts; `make chaos` is the long run."""
    code, output = run([sys.executable, "-m", "unittest", "discover", "-s", "tests/chaos"])
    if code != 0:
        return Result("faults", failed=1, note="the plan or the checker is wrong")
    if not is_root():
        raise Lacking("its hosts are network namespaces, which only root may make")
    code, output = run([sys.executable, "tests/chaos/chaos.py", "--selection", "--profile", "debug"])
    return whole("faults", code, output)


def selected(wanted):
    """The arguments that choose test files of the crate `tests`, for a plain cargo test."""
    tests = ROOT / "tests" / "tests"
    names = sorted([file.stem for file in tests.glob("*.rs")] + [file.parent.name for file in tests.glob("*/main.rs")])
    return [word for name in names if wanted(name) for word in ("--test", name)]


def real_kubectl():
    program = shutil.which("kubectl")
    if program is None:
        raise Lacking("no kubectl on PATH")
    said = subprocess.run([program, "version", "--client"], capture_output=True, text=True).stdout
    version = re.search(r"v(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < OLDEST_KUBECTL:
        raise Lacking(f"kubectl {'.'.join(map(str, OLDEST_KUBECTL))} or later is needed, PATH has {version and version[0]}")
    return rust("real kubectl", "binary(real_kubectl)", ["-p", "tests", "--test", "real_kubectl"], THREADS)


def programs():
    """The programs that the end-to-end tests start."""
    code, _ = run(["cargo", "build", "--workspace", "--bins"])
    return Result("build", passed=0, failed=int(code != 0))


SUITES = {"func-base": func_base, "image": function_base, "build": programs, "crates": units, "containers": containers, "control groups": control_groups, "registry": registry, "blobs": blobs, "etcd": etcd, "end to end": end_to_end, "soak": soak, "faults": faults, "step functions": step_functions, "real kubectl": real_kubectl}


def measured(name, suite):
    began = time.monotonic()
    try:
        result = suite()
    except Lacking as lacking:
        strict = os.environ.get("CI") == "true"
        result = Result(name, failed=int(strict), note=f"not run: {lacking}")
    result.seconds = time.monotonic() - began
    return result


def show(results):
    print(f"\n{'suite':14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for one in results:
        print(f"{one.suite:14}{one.passed:>8}{one.failed:>8}{one.skipped:>9}{one.seconds:>9.0f}  {one.note}".rstrip())
    for one in results:
        for reason in one.reasons:
            print(f"{one.suite}: {reason}")
    passed, failed, skipped = (sum(getattr(one, field) for one in results) for field in ("passed", "failed", "skipped"))
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return failed


def main():
    end_on_signals()
    chosen = sys.argv[1:] or list(SUITES)
    unknown = [name for name in chosen if name not in SUITES]
    if unknown:
        sys.exit(f"no such suite: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return 1 if show([measured(name, SUITES[name]) for name in chosen]) else 0


if __name__ == "__main__":
    sys.exit(main())
