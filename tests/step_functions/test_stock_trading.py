"""Seed 2's stock trading with an approval in it, as a program with boto3 sees it."""

import json
from pathlib import Path

import pytest
from conftest import ROLE, until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def trading(engine):
    engine.kubectl("apply", EXAMPLES / "seed2" / "def.yaml")
    activity = engine.client.create_activity(name="trade-approval")["activityArn"]
    definition = (EXAMPLES / "stock-trading" / "state_machine.json").read_text()
    machine = engine.client.create_state_machine(name="stock_trading", definition=definition, roleArn=ROLE)["stateMachineArn"]
    return machine, activity


def test_a_program_approves_and_turns_down(engine, trading):
    machine, activity = trading
    bought = engine.start(machine, {"symbol": "TRPE"})
    task = engine.client.get_activity_task(activityArn=activity, workerName="desk")
    assert json.loads(task["input"]) == {"symbol": "TRPE", "stock_price": 42, "recommended_type": "buy"}
    engine.client.send_task_success(taskToken=task["taskToken"], output='{"by": "ann"}')
    assert json.loads(engine.end(bought)["output"]) == {"report": "bought TRPE at 42"}
    types = engine.types(bought)
    at = types.index("ActivityScheduled")
    assert types[at : at + 3] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]

    kept = engine.start(machine, {"symbol": "ACME"})
    task = engine.client.get_activity_task(activityArn=activity)
    engine.client.send_task_failure(taskToken=task["taskToken"], error="TaskRejected", cause="too dear")
    assert json.loads(engine.end(kept)["output"]) == {"report": "kept ACME: too dear"}


def test_a_trade_begun_by_a_program_is_approved_by_a_person(engine, trading):
    machine, _ = trading
    execution = engine.start(machine, {"symbol": "ACME"})
    run = f"stock_trading-{execution.split(':')[-1]}"
    until("the task", lambda: run in engine.kubectl("get", "tasks"))
    engine.kubectl("task", "approve", run)
    assert json.loads(engine.end(execution)["output"]) == {"report": "sold ACME at 87"}
