"""The checker must see what may not be, and nothing else."""

import base64
import unittest
from types import SimpleNamespace

import checker
from record import BROKEN, EPOCH_KEY, HUNG, LEADER_KEY, Accepted, Call, Disturbance, Execution, Link, Write
from witness import Witness

HOST = SimpleNamespace(name="agent-1", address="10.0.0.1")

CUT = Disturbance("cut leader <-> client", "cut", frozenset({"master-1", "client"}), 100, 110)
KILLED = Disturbance("kill agent-1", "kill", frozenset({"agent-1"}), 100, 110)
PAUSED = Disturbance("pause agent-1", "pause", frozenset({"agent-1"}), 100, 110)
STAGES = {"run": (("a", "x"), ("b",)), "brief": ()}


def call(status, at=105.0, seconds=1.0, right=False, master="master-1"):
    return Call("f", master, at, seconds, status, right)


def accepted(*looks, wanted=2, locations=("/1",)):
    return Accepted("later", "k", wanted, list(locations), [(*look, "") for look in looks], "Running", 50.0 if looks else 0.0)


class Calls(unittest.TestCase):
    def test_right_answers_are_right_at_any_time(self):
        self.assertEqual(checker.calls([call(200, right=True), call(200, at=500, right=True)], [CUT]), [])

    def test_errors_are_excused_by_a_fault_and_only_near_it(self):
        for status in (408, 429, 502, 503, 504, BROKEN, HUNG):
            self.assertEqual(checker.calls([call(status), call(status, at=120)], [CUT]), [])
            self.assertEqual(len(checker.calls([call(status, at=60), call(status, at=160)], [CUT])), 2)

    def test_a_wrong_answer_and_an_error_outside_the_contract_are_never_excused(self):
        self.assertEqual(len(checker.calls([call(200), call(404), call(500)], [CUT])), 3)

    def test_a_call_may_hang_only_where_the_fault_is(self):
        self.assertEqual(checker.calls([call(HUNG, seconds=45)], [CUT]), [])
        self.assertEqual(len(checker.calls([call(HUNG, seconds=45)], [KILLED])), 1)
        self.assertEqual(checker.calls([call(HUNG, seconds=5)], [KILLED]), [], "the client gave up early")

    def test_the_longest_gap_lies_between_right_answers(self):
        found = checker.longest_gap([call(200, 1, 1, True), call(503, 5, 1), call(200, 8, 1, True)], 0, 10)
        self.assertEqual(found, (7, 2))


class Asynchronous(unittest.TestCase):
    RAN = [Execution(1, "k", "later", "agent-1")]

    def check(self, *looks, ran=RAN, **more):
        return checker.asynchronous([accepted(*looks, **more)], ran)

    def test_a_result_and_a_dead_letter_are_ends(self):
        self.assertEqual(self.check(("Succeeded", 2), ("Succeeded", 2)), [])
        self.assertEqual(self.check(("Failed", None), ran=[]), [])

    def test_what_does_not_end_is_seen(self):
        self.assertIn("has not ended: Running", self.check()[0])

    def test_what_ends_twice_is_seen(self):
        self.assertIn("more than once", self.check(("Succeeded", 2), ("Failed", None))[0])
        self.assertIn("more than one call", self.check(("Succeeded", 2), locations=("/1", "/2"))[0])

    def test_a_wrong_result_is_seen(self):
        self.assertIn("gave 3, not 2", self.check(("Succeeded", 3))[0])
        self.assertIn("and cannot", self.check(("Succeeded", 2), wanted=None)[0])
        self.assertIn("never ran", self.check(("Succeeded", 2), ran=[])[0])


class Runs(unittest.TestCase):
    def test_a_run_must_succeed_with_its_output(self):
        self.assertEqual(checker.runs([accepted(("Succeeded", 2))]), [])
        for look in (("Succeeded", 1), ("Failed", None)):
            self.assertIn("ended with", checker.runs([accepted(look)])[0])
        self.assertIn("has not ended", checker.runs([accepted()])[0])

    def steps(self, *lines, disturbances=(), ended=0.0, what="run"):
        executions = [Execution(at, "k", step, "agent-1") for at, step in lines]
        run = accepted()
        run.what, run.ended = what, ended
        return checker.steps(STAGES, [run], executions, disturbances)

    def test_a_step_may_be_repeated_until_it_is_finished(self):
        self.assertEqual(self.steps((1, "a"), (2, "a"), (3, "b"), (4, "b")), [])

    def test_a_finished_step_may_not_run_again(self):
        self.assertIn("finished already", self.steps((1, "a"), (2, "b"), (3, "a"))[0])
        self.assertIn("finished already", self.steps((1, "a"), (2, "b"), (9, "b"), ended=5.0)[0])

    def test_steps_of_one_stage_come_in_any_order_and_none_after_it(self):
        self.assertEqual(self.steps((1, "x"), (2, "a"), (3, "x"), (4, "b")), [])
        self.assertIn("step x ran", self.steps((1, "x"), (2, "a"), (3, "b"), (4, "x"))[0])

    def test_a_run_without_a_journal_may_begin_anew(self):
        self.assertEqual(self.steps((1, "a"), (2, "b"), (3, "a"), what="brief"), [])

    def test_a_run_that_succeeds_has_run_all_its_steps(self):
        run = accepted(("Succeeded", 2))
        run.what = "run"
        ran = [Execution(1, "k", "a", "agent-1"), Execution(2, "k", "b", "agent-1")]
        self.assertEqual(checker.steps(STAGES, [run], ran, ()), ["run k succeeded and its step x never ran"])

    def test_a_request_that_was_held_up_may_still_arrive(self):
        late = ((99, "a"), (105, "b"), (111, "a"))
        self.assertEqual(self.steps(*late, disturbances=[PAUSED]), [])
        self.assertEqual(len(self.steps(*late, disturbances=[KILLED])), 1)
        self.assertEqual(len(self.steps((99, "a"), (105, "b"), (131, "a"), disturbances=[PAUSED])), 1)

    def test_what_is_no_step_is_left_out(self):
        self.assertEqual(self.steps((1, "later"), (2, "later")), [])


def reign(revision, who, epoch):
    return [Write(revision, LEADER_KEY, who), Write(revision + 1, EPOCH_KEY, str(epoch)), Write(revision + 2, "/troupe/k/pods/a", "")]


GONE = Write(9, LEADER_KEY, None)


class Leaders(unittest.TestCase):
    def test_one_after_the_other(self):
        links = [Link(1, "agent-1", 1), Link(9, "agent-2", 2), Link(10, "agent-1", 2)]
        self.assertEqual(checker.leaders([*reign(3, "m1", 1), GONE, *reign(12, "m2", 2)], links), [])

    def test_two_at_once_are_seen(self):
        self.assertIn("while m1 had it", checker.leaders([*reign(3, "m1", 1), *reign(12, "m2", 2)], [])[0])

    def test_what_is_written_while_nobody_leads_is_seen(self):
        late = [*reign(3, "m1", 1), GONE, Write(10, "/troupe/k/pods/b", ""), Write(11, "/troupe/p/1/0", "")]
        self.assertEqual(checker.leaders(late, []), ["revision 10: /troupe/k/pods/b was written while nobody led"])

    def test_a_number_that_is_not_new_or_not_ones_own_is_seen(self):
        self.assertIn("epoch 1 after [1]", checker.leaders([*reign(3, "m1", 1), GONE, *reign(12, "m2", 1)], [])[0])
        self.assertIn("whose own", checker.leaders([*reign(3, "m1", 1), Write(7, EPOCH_KEY, "2")], [])[0])

    def test_an_agent_that_follows_an_old_leader_or_none_is_seen(self):
        links = [Link(9, "agent-2", 2), Link(20, "agent-1", 1)]
        writes = [*reign(3, "m1", 1), GONE, *reign(12, "m2", 2)]
        self.assertIn("agent-1 followed epoch 1", checker.leaders(writes, links)[0])
        self.assertIn("which nobody began", checker.leaders(writes, [Link(9, "agent-2", 3)])[0])

    def test_writes_are_read_as_etcds_client_tells_them(self):
        put = {"kv": {"key": base64.b64encode(LEADER_KEY.encode()), "mod_revision": 7, "value": base64.b64encode(b"\0m1")}}
        self.assertEqual(Write.told(put), Write(7, LEADER_KEY, "m1"))
        gone = {"type": 1, "kv": {"key": base64.b64encode(b"/troupe/k/a"), "mod_revision": 8}}
        self.assertEqual(Write.told(gone), Write(8, "/troupe/k/a", None))


class Pods(unittest.TestCase):
    def test_both_sides_must_know_the_same(self):
        self.assertEqual(checker.pods([("n", "1")], [], [("n", "1")]), [])
        self.assertEqual(checker.pods([("n", "1")], [], []), ["pod 1 should be on n, and is not"])
        self.assertEqual(checker.pods([("n", "1")], [("m", "2")], [("m", "1")])[1], "pod 1 is on m, and nobody knows it")

    def test_a_pod_that_failed_may_be_there_still(self):
        for there in ([], [("n", "1")]):
            self.assertEqual(checker.pods([], [("n", "1")], there), [])

    def test_an_engine_has_what_its_agent_knows(self):
        self.assertEqual(checker.containers(["a", "b"], ["b", "a"]), [])
        self.assertEqual(checker.containers(["a", "a"], ["a"]), ["container a is there 2 times"])
        self.assertEqual(checker.containers([], ["a"]), ["container a should be there, and is not"])
        self.assertEqual(checker.containers(["a"], []), ["container a is there, and its agent does not know it"])

    def test_a_host_where_nothing_ran_is_seen(self):
        ran = [Execution(1, "k", "later", "agent-1")]
        self.assertEqual(checker.hosts(ran, ["agent-1"]), [])
        self.assertEqual(checker.hosts(ran, ["agent-1", "agent-2"]), ["nothing ever ran on agent-2"])


class Witnesses(unittest.TestCase):
    def test_a_line_told_twice_is_noted_once_and_the_answer_is_the_same(self):
        witness = Witness(HOST, [HOST])
        self.assertEqual([witness.note([1, "k", "a", sign], "10.0.0.1") for sign in ("x", "y", "y")], [0, 1, 1])
        self.assertEqual(witness.note([1, "k", "b", "z"], "10.0.0.9"), 0)
        self.assertEqual([(one.step, one.host) for one in witness.executions], [("a", "agent-1"), ("a", "agent-1"), ("b", "10.0.0.9")])


if __name__ == "__main__":
    unittest.main()
