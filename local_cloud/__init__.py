"""AWS on this machine: an emulated cloud in a process of its own, for laptops and tests.

It speaks AWS's APIs over HTTPS on 127.0.0.1 only, checks signatures and IAM policies, and knows
nothing of our pipelines: whatever deploys here through the real tools deploys to AWS.

    cloud = local_cloud.up()
    subprocess.run(["cdk", "bootstrap"], env={**os.environ, **cloud.environment()})
    local_cloud.down()

The cloud keeps its state while it runs, in memory; `down` and a reboot leave an empty one.
"""

from local_cloud.cloud import Cloud, CloudError
from local_cloud.launcher import FOLDER, down, status, up

__all__ = ["FOLDER", "Cloud", "CloudError", "down", "status", "up"]
