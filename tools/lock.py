"""Compile the lock files from the lists of direct requirements (`make lock`).

Every set is resolved for all platforms at once, with hashes. run.txt and dev.txt are held to the
pins of requirements.txt, so that one environment may hold them all.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tools.setup import ROOT, node_folder, npm_entry, uv

FOLDER = ROOT / "requirements"
# (source, lock, oldest Python it must serve, whether requirements.txt's pins bind it)
SETS = (
    (FOLDER / "project.in", ROOT / "requirements.txt", "3.11", False),
    (FOLDER / "run.in", FOLDER / "run.txt", "3.11", True),
    (FOLDER / "dev.in", FOLDER / "dev.txt", "3.11", True),
    (FOLDER / "sdk.in", FOLDER / "sdk.txt", "3.11", True),
    (FOLDER / "emulator.in", FOLDER / "emulator.txt", "3.11", False),
    (FOLDER / "codecs.in", FOLDER / "codecs.txt", "3.10", False),
    (FOLDER / "container.in", FOLDER / "container.txt", "3.10", False),
    (FOLDER / "oldest.in", FOLDER / "oldest.txt", "3.10", False),
    (FOLDER / "bench.in", FOLDER / "bench.txt", "3.11", False),
    (FOLDER / "functions.in", FOLDER / "functions.txt", "3.11", False),
)


def main() -> None:
    environment = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "make lock"}
    for source, lock, python, bound in SETS:
        print(f"locking {lock.relative_to(ROOT)}", flush=True)
        command = [uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", python]
        if bound:
            command += ["-c", "requirements.txt"]
        command += [source.relative_to(ROOT), "-o", lock.relative_to(ROOT)]
        subprocess.run([*map(str, command), *sys.argv[1:]], check=True, cwd=ROOT, env=environment)
    print("locking package-lock.json", flush=True)
    subprocess.run(
        [node_folder() / "node", npm_entry(), "install", "--package-lock-only", "--silent"],
        check=True,
        cwd=ROOT,
        env={**environment, "NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED": "true"},
    )


if __name__ == "__main__":
    main()
