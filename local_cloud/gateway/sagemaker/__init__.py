"""SageMaker Processing for the local cloud: jobs that really run, under the contract of the real service.

What a job sees (`/opt/ml`, its environment, its role's permissions, its logs) and what the API answers
follow AWS's documentation; where they differ, the module concerned says so in its docstring.
"""

from __future__ import annotations

from .service import Service, create_service

__all__ = ["Service", "create_service"]
