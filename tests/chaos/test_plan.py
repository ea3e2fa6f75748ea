"""The plan of faults is what its seed says, and never more than a cluster has to bear."""

import unittest

from names import AGENTS, DOCKERD, ETCDS, GROUPS, IN_CONTAINERS
from plan import ON_LINKS, ON_MEMBERS, ON_WIRE, REST_SECONDS, ROLES, ROUND, SELECTION, plan


class Plan(unittest.TestCase):
    def test_a_seed_makes_one_plan_and_another_seed_another(self):
        self.assertEqual(plan(7, 600), plan(7, 600))
        self.assertNotEqual(plan(7, 600), plan(8, 600))

    def test_faults_come_in_order_and_end_in_time(self):
        for seed in range(50):
            faults = plan(seed, 300)
            self.assertEqual(faults, sorted(faults, key=lambda fault: fault.at))
            self.assertTrue(all(fault.until <= 300 for fault in faults))

    def test_a_short_run_has_none_and_a_long_one_every_kind_on_everybody(self):
        self.assertEqual(plan(1, 3), [])
        faults = plan(1, 20_000)
        self.assertEqual({fault.kind for fault in faults}, {*ON_MEMBERS, *ON_LINKS})
        ends = {fault.member for fault in faults} | {fault.other for fault in faults}
        self.assertEqual(ends - {""}, {"client", *GROUPS, *ROLES, *AGENTS, *ETCDS, DOCKERD})

    def test_two_members_of_etcd_are_never_hit_by_two_faults_at_once(self):
        for seed in range(20):
            on_etcd = [fault for fault in plan(seed, 2000) if {fault.member, fault.other} & {*ETCDS, "quorum"}]
            for before, after in zip(on_etcd, on_etcd[1:]):
                self.assertGreaterEqual(after.at, before.until)

    def test_an_engine_and_the_host_it_is_on_are_never_hit_at_once(self):
        for seed in range(20):
            there = [fault for fault in plan(seed, 2000) if {fault.member, fault.other} & {IN_CONTAINERS, DOCKERD}]
            for before, after in zip(there, there[1:]):
                self.assertGreaterEqual(after.at, before.until)

    def test_each_link_is_cut_in_both_directions_and_what_has_no_packets_drops_none(self):
        faults = plan(2, 40_000)
        one_way = {(fault.member, fault.other) for fault in faults if fault.kind == "cut-one-way"}
        self.assertEqual(one_way, {(there, here) for here, there in one_way})
        for pair in (("leader", "client"), ("leader", "standby"), ("leader", "agents"), ("leader", "etcd"), ("etcd-1", "etcd-2"), (IN_CONTAINERS, DOCKERD)):
            self.assertIn(pair, one_way)
        self.assertEqual({fault.kind for fault in faults if DOCKERD in (fault.member, fault.other) and fault.other}, set(ON_WIRE))

    def test_after_each_round_there_is_rest(self):
        faults = plan(3, 1000)
        for number in range(ROUND, len(faults), ROUND):
            self.assertGreaterEqual(faults[number].at - faults[number - 1].at, REST_SECONDS - 0.1)

    def test_the_selection_ends_within_a_minute_and_a_half(self):
        self.assertLess(max(fault.until for fault in SELECTION), 90)
        self.assertEqual(list(SELECTION), sorted(SELECTION, key=lambda fault: fault.at))


if __name__ == "__main__":
    unittest.main()
