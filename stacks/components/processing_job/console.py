"""The AWS console's address in a running state machine: that of the commercial regions, GovCloud's or China's."""

from __future__ import annotations

# JSONata: partition and region are in the execution's ARN.
CONSOLE = """(
  $arn := $split($states.context.Execution.Id, ':');
  $homes := {'aws-cn': 'console.amazonaws.cn', 'aws-us-gov': 'console.amazonaws-us-gov.com'};
  $home := $lookup($homes, $arn[1]);
  'https://' & $arn[3] & '.' & ($exists($home) ? $home : 'console.aws.amazon.com')
)"""
