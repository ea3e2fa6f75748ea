"""The judge must see what is lost."""

import unittest

from ledger import Call, lost, summary

DIED = '{"reason":"PodDied","message":"call default/f on pod f-1-abcde: the connection broke"}'


def call(status, text, right=False):
    return Call("f", status, right, text, 0.1)


class Lost(unittest.TestCase):
    def test_a_call_in_a_killed_pod_is_excused(self):
        self.assertEqual(lost([call(502, DIED)], {"f-1-abcde"}), [])

    def test_the_same_answer_without_a_kill_is_not(self):
        self.assertEqual(len(lost([call(502, DIED)], {"f-1-other"})), 1)

    def test_nothing_else_is_excused_by_a_kill(self):
        others = [call(503, "Unavailable"), call(0, "reset"), call(200, "41"), call(504, DIED)]
        self.assertEqual(lost(others, {"f-1-abcde"}), others)

    def test_right_answers_are_counted_and_not_lost(self):
        calls = [call(200, "1", right=True), call(502, DIED)]
        self.assertEqual(lost(calls, {"f-1-abcde"}), [])
        self.assertEqual(summary(calls, {"f-1-abcde"}), [("f", 2, 1, 0.1)])


if __name__ == "__main__":
    unittest.main()
