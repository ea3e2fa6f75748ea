"""Who is who among the hosts and programs of a fleet."""

MASTERS = ("master-1", "master-2")
AGENTS = ("agent-1", "agent-2", "agent-3")
ETCDS = ("etcd-1", "etcd-2", "etcd-3")
# The engine, and the agent whose pods it runs, where there is one: both on that agent's host.
DOCKERD = "dockerd"
IN_CONTAINERS = "agent-3"
# All of a kind; so many members of etcd that the others cannot do without them.
GROUPS = {"agents": AGENTS, "etcd": ETCDS, "quorum": ETCDS[:2]}
