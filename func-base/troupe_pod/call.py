"""One call on its way through the pod."""

from __future__ import annotations

from contextvars import ContextVar

current: ContextVar = ContextVar("troupe_call", default=None)


class Call:
    """Shared by the call's thread and the watcher without a lock: what is in `gate`, `held` and `reply` is taken with pop()."""

    __slots__ = (
        "id", "connection", "head_only", "began", "limit", "deadline", "gate", "held", "reply",
        "interrupted", "interrupted_at", "thrown", "waiter", "abandoned", "ended", "answered", "partial",
    )  # fmt: skip

    def __init__(self, id: str, connection, head_only: bool, began: float, limit: float):
        self.id = id
        self.connection = connection
        self.head_only = head_only
        self.began = began
        self.limit = limit
        self.deadline = began + limit
        self.gate: list = []
        self.held: list = []
        self.reply = [True]
        self.interrupted = None
        self.interrupted_at = 0.0
        self.thrown = False
        self.waiter = None
        self.abandoned = False
        self.ended = False
        self.answered = False
        self.partial: dict = {}
