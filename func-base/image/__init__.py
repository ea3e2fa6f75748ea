"""The image a function runs in: a small Debian with Python, the server, and for `full` the common packages.

`debian` or `upstream` lays down a root file system, `settle` makes it what a pod needs, `python` runs the
interpreter inside (emulated for a foreign architecture), `layer` and `archive` write what a registry and
`docker load` read. The same inputs give the same bytes. Started by tools/func_base.py.
"""

# Everything in an image has this date: 1980, the oldest that zip files know. Builds of functions use it too.
EPOCH = 315532800


class Failed(Exception):
    """The image cannot be made; the text says what to do."""
