"""SageMaker Processing for the local cloud: jobs that really run, under the contract of the real service.

What a job sees (`/opt/ml`, its environment, its role's permissions, its logs) and what the API answers
follow AWS's documentation. It differs where a laptop must, or where AWS's behaviour is not documented:

- The image is recorded, not pulled: a job runs in the container environment's Python, and must name its
  entry point. Instance types, volumes and VPCs are recorded too. `EnableNetworkIsolation` is real where
  namespaces are.
- Pipe mode, Athena and Redshift inputs are refused with a sentence. AppManaged inputs and outputs are
  left to the application, as on AWS.
- Members that the service model does not know are refused; AWS ignores them.
- A job that does not fit on the machine waits, `InProgress` and without a start time.
- A stopped container has 10 seconds to end, not 120.
- Not documented, so taken the harsher way: EndOfJob outputs of a failed or killed container are not
  uploaded, and one failing instance stops the others.
- Jobs are forgotten when the cloud ends.
"""

from __future__ import annotations

from .service import Service, create_service

__all__ = ["Service", "create_service"]
