"""What can be wrong on the way from one host to another. Each way is for itself: a cut may be one-way.

Rules stand at the host that receives. Delays are the kernel's queue to a program, since not every kernel has
netem: packets wait here and go on in their order.
"""

import select
import socket
import struct
import threading
import time
from collections import deque

NETLINK_NETFILTER = 12
QUEUE_SUBSYSTEM = 3 << 8
PACKET, VERDICT, CONFIG = 0, 1, 2
REQUEST = 1
# Attributes of a CONFIG message, of a PACKET and of a VERDICT.
COMMAND, PARAMETERS, LENGTH = 1, 2, 3
PACKET_HEADER = 1
VERDICT_HEADER = 2
BIND, COPY_META, ACCEPT = 1, 1, 1
MOST_PACKETS = 10_000


class Cut:
    """Nothing gets from one host to the other."""

    def __init__(self, source, target, chance=1.0):
        self._target = target
        self._rule = ["PREROUTING", "-s", source.address]
        if chance < 1.0:
            self._rule += ["-m", "statistic", "--mode", "random", "--probability", f"{chance:.2f}"]
        self._rule += ["-j", "DROP"]

    def begin(self):
        self._target.run("iptables", "-w", "-t", "raw", "-I", *self._rule)

    def end(self):
        self._target.run("iptables", "-w", "-t", "raw", "-D", *self._rule)


class Delay:
    """All packets come late by so many seconds."""

    _last_queue = 0

    def __init__(self, source, target, seconds):
        Delay._last_queue += 1
        self._number = Delay._last_queue
        self._target = target
        self._seconds = seconds
        self._rule = ["PREROUTING", "-s", source.address, "-j", "NFQUEUE", "--queue-num", str(self._number)]
        self._over = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delay-{self._number}", daemon=True)

    def begin(self):
        self._thread.start()
        self._bound.wait()
        self._target.run("iptables", "-w", "-t", "raw", "-I", *self._rule)

    def end(self):
        self._target.run("iptables", "-w", "-t", "raw", "-D", *self._rule)
        self._over.set()
        self._thread.join()

    def _run(self):
        self._target.enter()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as queue:
            queue.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            queue.bind((0, 0))
            queue.send(message(CONFIG, self._number, attribute(COMMAND, struct.pack("!BBH", BIND, 0, 0))))
            meta = attribute(PARAMETERS, struct.pack("!IB", 0, COPY_META))
            queue.send(message(CONFIG, self._number, meta + attribute(LENGTH, struct.pack("!I", MOST_PACKETS))))
            self._bound.set()
            self._pass_on(queue)

    def _pass_on(self, queue):
        waiting = deque()
        while True:
            over = self._over.is_set()
            while waiting and (over or waiting[0][0] <= time.monotonic()):
                verdict = struct.pack("!II", ACCEPT, waiting.popleft()[1])
                queue.send(message(VERDICT, self._number, attribute(VERDICT_HEADER, verdict)))
            if over:
                return
            patience = waiting[0][0] - time.monotonic() if waiting else 0.1
            if select.select([queue], [], [], max(0.0, min(patience, 0.1)))[0]:
                due = time.monotonic() + self._seconds
                waiting.extend((due, packet) for packet in packets(queue.recv(1 << 16)))


def attribute(kind, value):
    """An attribute of netlink, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind, queue, attributes):
    body = struct.pack("=BB", 0, 0) + struct.pack("!H", queue) + attributes
    return struct.pack("=IHHII", 16 + len(body), QUEUE_SUBSYSTEM | kind, REQUEST, 0, 0) + body


def packets(data):
    """The ids of the packets that messages of the kernel tell of."""
    found = []
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if kind == QUEUE_SUBSYSTEM | PACKET:
            attributes = data[20:length]
            while len(attributes) >= 4:
                size, name = struct.unpack_from("=HH", attributes)
                if name & 0x3FFF == PACKET_HEADER:
                    found.append(struct.unpack_from("!I", attributes, 4)[0])
                attributes = attributes[max(size + 3 & ~3, 4) :]
        data = data[max(length + 3 & ~3, 16) :]
    return found
