"""Imports the user's function."""

from __future__ import annotations

import os
import sys
import time

from troupe_pod.errors import show_beneath
from troupe_pod.slots import Slots
from troupe_pod.styles import Style
from troupe_pod.styles import style as make_style

CO_COROUTINE = 0x80


class Function:
    """A function that can be called; `cold_ms` is what its import took."""

    def __init__(self, entry, handler: str, style: str, settings, cold_ms: float):
        self.entry = entry
        self.handler = handler
        self.style_name = style
        self.style = make_style(style, settings)
        show_beneath(settings.function_dir, self.style.home)
        self.slots = Slots(settings.slots(style))
        self.cold_ms = cold_ms


def _add_paths(directory: str, preinstalled) -> None:
    """The function's files come first, as for a script; its requirements before the preinstalled ones but after the standard library."""
    sys.path.insert(0, directory)
    packages = os.path.join(directory, "site-packages")
    found = [path for path in (packages, preinstalled) if path and os.path.isdir(path)]
    if found:
        import site

        before = len(sys.path)
        for path in found:
            site.addsitedir(path)
        added = sys.path[before:]
        del sys.path[before:]
        place = next((index for index, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages"))), len(sys.path))
        sys.path[place:place] = added


def load(settings) -> Function:
    """Raises whatever the import raises, and EntryError."""
    began = time.monotonic()
    directory = os.path.abspath(settings.function_dir)
    show_beneath(directory, Style.home)
    handler, style = settings.handler, settings.style
    if not (handler and style):
        from troupe_pod.entry import find

        handler, style = find(directory, handler, style)
    module_name, _, name = handler.rpartition(".")
    os.chdir(directory)
    _add_paths(directory, settings.packages)
    sys.argv[:] = [os.path.join(directory, *module_name.split(".")) + ".py"]
    __import__(module_name)
    entry = getattr(sys.modules[module_name], name)
    if not callable(entry):
        raise TypeError(f"{handler} is {type(entry).__name__}, wanted a function")
    if getattr(getattr(entry, "__code__", None), "co_flags", 0) & CO_COROUTINE:
        from troupe_pod.coroutines import loop

        loop()
    return Function(entry, handler, style, settings, round((time.monotonic() - began) * 1e3, 3))
