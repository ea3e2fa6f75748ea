"""One cluster for all tests: the real programs, the Step Functions API on loopback, boto3."""

import http.server
import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from cluster import Cluster, Failure, free_ports, target  # noqa: E402

ROLE = "arn:aws:iam::111111111111:role/any"
FUNCTIONS = Path(__file__).parent / "functions.yaml"
PATIENCE = 30
# Where runs may send requests to.
HTTP_PORT = free_ports(1)[0]
# Short waits and histories: both limits are met here.
SETTINGS = f"""
[runs]
http-allow = ["http://127.0.0.1:{HTTP_PORT}/"]
wait-for-function = "2s"
max-events = 5000
"""
_names = itertools.count()


def client_of(url, key="x", secret="x", verify=None):
    return boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        verify=verify,
        config=Config(inject_host_prefix=False, retries={"max_attempts": 1}),
    )


def until(what, look, patience=PATIENCE):
    """Waits for a condition, never for a time."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.05)


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent, and with the status that the path ends in."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def echo():
    """The address of the one server that runs may send requests to."""
    with http.server.HTTPServer(("127.0.0.1", HTTP_PORT), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{HTTP_PORT}"
        server.shutdown()


class Engine:
    """The API with what tests do again and again."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = client_of(cluster.step_functions)

    def name(self):
        return f"m{next(_names)}"

    def machine(self, definition, **more):
        text = definition if isinstance(definition, str) else json.dumps(definition)
        return self.client.create_state_machine(name=self.name(), definition=text, roleArn=ROLE, **more)["stateMachineArn"]

    def start(self, machine, value=None, **more):
        return self.client.start_execution(stateMachineArn=machine, input=json.dumps({} if value is None else value), **more)["executionArn"]

    def end(self, execution, patience=PATIENCE):
        def look():
            found = self.client.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        return until(f"the end of {execution}", look, patience)

    def run(self, definition, value=None):
        return self.end(self.start(self.machine(definition), value))

    def types(self, execution):
        return [event["type"] for event in self.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]]

    def kubectl(self, *words):
        return self.cluster.run(["kubectl", *words])

    def fails(self, *command):
        """What a command says that has to fail."""
        with pytest.raises(Failure) as failure:
            self.cluster.run(command)
        return str(failure.value)


def one(state, **more):
    """A state machine of one state."""
    return {"StartAt": "S", "States": {"S": {"End": True, **state}}, **more}


PASS = one({"Type": "Pass"})


@pytest.fixture(scope="session")
def engine():
    programs = Path(os.environ.get("TROUPE_PROGRAMS") or target() / "debug")
    cluster = Cluster(programs, step_functions=True, settings=SETTINGS)
    try:
        cluster.start()
        cluster.run(["kubectl", "apply", "--wait", "-f", FUNCTIONS])
        yield Engine(cluster)
    finally:
        in_order = cluster.stop()
        cluster.remove()
    assert in_order
