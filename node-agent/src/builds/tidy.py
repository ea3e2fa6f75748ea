"""Takes out of the installed requirements what differs from build to build: scripts that name this
node's Python, and where pip had a package from."""

import os
import shutil
import sys

packages = sys.argv[1]
shutil.rmtree(os.path.join(packages, "bin"), ignore_errors=True)
for name in os.listdir(packages):
    info = os.path.join(packages, name)
    if not name.endswith(".dist-info") or not os.path.isdir(info):
        continue
    origin, record = os.path.join(info, "direct_url.json"), os.path.join(info, "RECORD")
    if os.path.exists(origin):
        os.unlink(origin)
    if os.path.isfile(record):
        with open(record, encoding="utf-8") as file:
            lines = file.readlines()
        with open(record, "w", encoding="utf-8") as file:
            file.writelines(sorted(line for line in lines if "/direct_url.json," not in line and "bin/" not in line.split(",")[0]))
