"""`--check DIR`: what the builder asks before it makes a layer. Imports nothing of the user's."""

from __future__ import annotations

import ast
import json
import os
import warnings

from troupe_pod.entry import find, parse
from troupe_pod.errors import EntryError


def _sources(directory: str):
    """All .py files, relative, in a stable order; installed requirements and hidden directories are left out."""
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if name not in ("site-packages", "__pycache__") and not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".py") and os.path.isfile(path):
                yield os.path.relpath(path, directory)


def _imported(tree: ast.Module):
    """The top-level names that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def check(directory: str, handler: str | None, style: str | None) -> int:
    """Prints the verdict as one JSON line; returns the exit code."""
    warnings.simplefilter("ignore")
    try:
        modules, imports = [], set()
        for file in _sources(directory):
            imports.update(_imported(parse(directory, file)))
            modules.append(file[:-3].replace(os.sep, "."))
        imports -= {module.split(".")[0] for module in modules}
        handler, style = find(directory, handler, style)
        verdict = {"ok": True, "handler": handler, "style": style, "modules": modules, "imports": sorted(imports)}
    except EntryError as error:
        verdict = {"ok": False, "reason": error.reason, "message": str(error), "file": error.file, "line": error.line}
    print(json.dumps(verdict))
    return 0 if verdict["ok"] else 1
