"""What holds for every test: nothing of the developer's AWS set-up, or of a local cloud in their shell, reaches it."""

from __future__ import annotations

import os

for name in [name for name in os.environ if name.startswith(("AWS_", "CDK_"))]:
    del os.environ[name]
