"""Start of a pod: `python3 -I <this directory>`.

The directory is made a package without being put on sys.path, so that its modules can neither hide
the user's nor be hidden by them.
"""

import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if not __package__:
        package = type(sys)("troupe_pod")
        package.__path__ = [here]
        sys.modules["troupe_pod"] = package
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]

    from troupe_pod.cli import main

    main(sys.argv[1:])
