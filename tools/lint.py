#!/usr/bin/env python3
"""Checks that no other tool makes: Python parses, shell parses, no Rust file outgrew a reader."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What func-base promises to run on.
OLDEST_PYTHON = (3, 9)
LONGEST_RUST_FILE = 800


def files():
    """What git keeps or is about to keep."""
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    ).stdout.decode()
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def python(path):
    try:
        ast.parse(path.read_bytes(), str(path), feature_version=OLDEST_PYTHON)
    except SyntaxError as error:
        return f"{error.lineno}: {error.msg}"


def shell(path):
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


def rust(path):
    lines = path.read_bytes().count(b"\n")
    return f"{lines} lines, more than {LONGEST_RUST_FILE}: split it" if lines > LONGEST_RUST_FILE else None


def check_of(path):
    if path.suffix == ".py":
        return python
    if path.suffix == ".rs":
        return rust
    with open(path, "rb") as file:
        first = file.readline(80)
    return shell if first.startswith(b"#!") and b"sh" in first else None


def main():
    checked, problems = 0, []
    for path in files():
        check = check_of(path)
        if check is None:
            continue
        checked += 1
        problem = check(path)
        if problem:
            problems.append(f"{path.relative_to(ROOT)}: {problem}")
    print("\n".join(problems) or f"{checked} files are in order")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
