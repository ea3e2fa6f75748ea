"""All that was ever written to etcd, in its order: who led when, and whether anybody else wrote."""

import json
import subprocess
import threading

from cluster import Failure
from programs import etcd_endpoints
from record import Write

TELL_SECONDS = 120


def history(fleet, revision):
    """All that was written up to a revision."""
    flags = ["--endpoints", etcd_endpoints(fleet), "--cacert", fleet.home / "ca.pem"]
    # A watch has no end; the past comes at once.
    command = fleet.hosts["observer"].inside("etcdctl", *flags, "watch", "--prefix", "/troupe/", "--rev", "1", "-w", "json")
    found = []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        alarm = threading.Timer(TELL_SECONDS, process.kill)
        alarm.start()
        try:
            for line in process.stdout:
                found += [Write.told(event) for event in json.loads(line).get("Events") or ()]
                if found and found[-1].revision >= revision:
                    return found
        finally:
            alarm.cancel()
            process.kill()
    raise Failure(f"etcd told its history up to revision {found[-1].revision if found else 0}, not up to {revision}")
