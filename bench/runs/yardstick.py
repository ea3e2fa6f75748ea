"""What the disk allows by itself, measured where the master's store lies."""

import os
import sqlite3
import time


def appends(directory, seconds=2):
    """Appends of 512 bytes to a file, each on disk before the next one."""
    path = directory / "appends"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        return rate(lambda: (os.write(file, b"x" * 512), os.fdatasync(file)), seconds)
    finally:
        os.close(file)
        path.unlink()


def inserts(directory, seconds=2):
    """Rows put into SQLite, each a durable transaction: a durable step as one would write it in an afternoon."""
    path = directory / "inserts.db"
    base = sqlite3.connect(path, isolation_level=None)
    try:
        base.execute("pragma journal_mode=wal")
        base.execute("pragma synchronous=full")
        base.execute("create table journal (run text, step integer, record text, primary key (run, step))")
        numbers = iter(range(1 << 30))
        return rate(lambda: base.execute("insert into journal values ('run', ?, ?)", (next(numbers), "x" * 512)), seconds)
    finally:
        base.close()
        for file in directory.glob("inserts.db*"):
            file.unlink()


def rate(do, seconds):
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        do()
        count += 1
    return round(count / (time.monotonic() - begun), 1)
