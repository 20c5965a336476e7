"""Where a pipeline says that a run went wrong: a topic with its readers' addresses."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class Notices(sns.Topic):
    """Each address has to confirm once, by the link in the mail that AWS sends when the stack is deployed."""

    def __init__(self, scope: Construct, id: str, *, name: str, emails: Sequence[str]) -> None:
        super().__init__(
            scope,
            id,
            display_name=f"Geocadence {name}"[:100],
            enforce_ssl=True,
            # SNS's own key costs nothing, and lets every principal of the account use it through SNS that may
            # publish. A key of ours would be needed for publishers that are AWS services; ours is a role.
            master_key=kms.Alias.from_alias_name(scope, f"{id}Key", "alias/aws/sns"),
        )
        for address in dict.fromkeys(emails):
            self.add_subscription(subscriptions.EmailSubscription(address))
