"""The aws command line with --endpoint-url."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PASS, ROLE, until

# Beside the Python that runs this, or on PATH.
AWS = shutil.which("aws", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@pytest.fixture
def aws(engine):
    assert AWS, "the aws command line is not installed: pip install awscli"
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "", "HOME": str(engine.cluster.home)}

    def run(action, *words):
        command = [AWS, "stepfunctions", action, "--endpoint-url", engine.cluster.step_functions, "--output", "json", *words]
        done = subprocess.run(command, env={**os.environ, **keys}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "{}")

    return run


def test_the_command_line_makes_a_machine_runs_it_and_reads_its_history(engine, aws):
    machine = aws("create-state-machine", "--name", engine.name(), "--definition", json.dumps(PASS), "--role-arn", ROLE)["stateMachineArn"]
    execution = aws("start-execution", "--state-machine-arn", machine, "--input", '{"a": 1}')["executionArn"]
    ended = lambda: (found := aws("describe-execution", "--execution-arn", execution))["status"] != "RUNNING" and found
    assert json.loads(until("the end", ended)["output"]) == {"a": 1}
    events = aws("get-execution-history", "--execution-arn", execution)["events"]
    assert [event["type"] for event in events] == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
