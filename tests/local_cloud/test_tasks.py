"""Task states act as the state machine's role, and fail as they do on AWS."""

from __future__ import annotations

import json
import time

import pytest

import local_cloud

from .conftest import Account, allow, unique, wait_for

STATES = "states.amazonaws.com"


def invoke(function: str, **more) -> dict:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": True,
        **more,
    }


def test_a_task_invokes_a_function_that_its_role_may_invoke(account: Account) -> None:
    function = account.function("def handler(event, context): return {'twice': 2 * event['n']}")
    machine = account.machine(account.role(STATES, allow("lambda:InvokeFunction", function)), Double=invoke(function))
    ended = account.run(machine, {"n": 21})
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"twice": 42})


def test_a_role_without_the_permission_fails_the_task_with_the_denied_action(account: Account) -> None:
    function = account.function("def handler(event, context): return 1")
    machine = account.machine(
        account.role(STATES, allow("lambda:InvokeFunction", function + "-other")), Call=invoke(function)
    )
    ended = account.run(machine)
    assert ended["status"] == "FAILED"
    assert ended["error"] == "Lambda.AWSLambdaException"
    assert "is not authorized to perform: lambda:InvokeFunction" in ended["cause"]
    assert "assumed-role/role-" in ended["cause"]


def test_a_role_that_does_not_trust_step_functions_is_refused_at_creation(account: Account) -> None:
    with pytest.raises(Exception, match="Neither the global service principal"):
        account.machine(account.role("lambda.amazonaws.com"), Only={"Type": "Succeed"})


def test_an_update_to_such_a_role_is_refused_too(account: Account) -> None:
    machine = account.machine(account.role(STATES), Only={"Type": "Succeed"})
    states = account.client("stepfunctions")
    with pytest.raises(states.exceptions.ClientError, match="Neither the global service principal"):
        states.update_state_machine(stateMachineArn=machine, roleArn=account.role("lambda.amazonaws.com"))
    states.update_state_machine(stateMachineArn=machine, roleArn=account.role(STATES))


def test_a_callback_that_would_go_past_iam_is_refused_in_words(account: Account) -> None:
    url, _ = account.queue()
    send = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
        "End": True,
    }
    ended = account.run(account.machine(account.role(STATES), Send=send))
    assert ended["error"] == "States.Runtime"
    assert "no integration for arn:aws:states:::sqs:sendMessage.waitForTaskToken" in ended["cause"]
    assert account.messages(url) == []


def test_a_functions_exception_is_caught_by_its_class_name(account: Account) -> None:
    function = account.function(
        "class InvalidInput(Exception): pass\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        1 / 0\n"
        "    except ZeroDivisionError as error:\n"
        "        raise InvalidInput('window.end: no date.\\nTraceback (most recent call last): really') from error\n"
    )
    caught = {"ErrorEquals": ["InvalidInput"], "Next": "Refused", "Output": "{% $states.errorOutput %}"}
    machine = account.machine(
        account.role(STATES, allow("lambda:InvokeFunction")),
        Call=invoke(function, Catch=[caught]),
        Refused={"Type": "Succeed"},
    )
    output = json.loads(account.run(machine)["output"])
    assert output["Error"] == "InvalidInput"
    assert json.loads(output["Cause"])["errorMessage"].startswith("window.end: no date.")


def test_a_function_acts_as_its_own_role_and_sees_only_its_own_code_and_boto3(account: Account) -> None:
    source = (
        "import boto3, importlib.util, os\n"
        "def handler(event, context):\n"
        "    others = ('ministack', 'local_cloud', 'geocadence', 'yaml')\n"
        "    found = [name for name in others if importlib.util.find_spec(name)]\n"
        "    try:\n"
        "        boto3.client('s3').list_buckets(); denied = None\n"
        "    except Exception as error:\n"
        "        denied = str(error)\n"
        "    return {'who': boto3.client('sts').get_caller_identity()['Arn'], 'found': found, 'denied': denied,\n"
        "            'environment': dict(os.environ)}\n"
    )
    role = account.role("lambda.amazonaws.com")
    reply = account.client("lambda").invoke(FunctionName=account.function(source, role=role, Timeout=20))
    said = json.loads(reply["Payload"].read())
    assert f":assumed-role/{role.rpartition('/')[2]}/" in said["who"]
    assert said["found"] == []
    assert not {"MARK_OF_THE_SHELL", "AUTH", "GATEWAY_PORT"} & set(said["environment"])
    assert (said["environment"]["TZ"], said["environment"]["PYTHONPATH"][-17:]) == (":UTC", "/runtime/packages")
    assert "AccessDenied" in said["denied"]


def test_an_sdk_integration_speaks_pascal_case_and_names_errors_as_java_does(account: Account) -> None:
    bucket = unique("bucket")
    account.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    account.client("s3").put_object(Bucket=bucket, Key="a/b", Body=b"hello")
    role = account.role(STATES, allow("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]))

    def read(key: str) -> dict:
        resource = "arn:aws:states:::aws-sdk:s3:getObject"
        return {"Type": "Task", "Resource": resource, "Arguments": {"Bucket": bucket, "Key": key}, "End": True}

    found = json.loads(account.run(account.machine(role, Read=read("a/b")))["output"])
    assert (found["Body"], found["ContentLength"]) == ("hello", 5)
    assert account.run(account.machine(role, Read=read("none")))["error"] == "S3.NoSuchKeyException"


def test_messages_may_be_json_and_go_out_as_the_role(account: Account) -> None:
    url, queue = account.queue()
    topic = account.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    role = account.role(STATES, allow("sqs:SendMessage", queue), allow("sns:Publish", topic))
    send = {"QueueUrl": url, "MessageBody": {"run": 1}}
    machine = account.machine(
        role,
        Send={"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Arguments": send, "Next": "Tell"},
        Tell={
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Arguments": {"TopicArn": topic, "Message": "done", "Subject": "run"},
            "End": True,
        },
    )
    assert "MessageId" in json.loads(account.run(machine)["output"])
    assert json.loads(account.messages(url)[0]["Body"]) == {"run": 1}


def test_a_nested_execution_returns_its_output_or_fails_with_its_description(account: Account) -> None:
    inner = account.machine(
        account.role(STATES),
        Look={"Type": "Choice", "Choices": [{"Condition": "{% $states.input.ok %}", "Next": "Fine"}], "Default": "Bad"},
        Fine={"Type": "Pass", "Output": {"answer": 42}, "End": True},
        Bad={"Type": "Fail", "Error": "Bad", "Cause": "no"},
    )
    role = account.role(
        STATES,
        allow("states:StartExecution", inner),
        allow(["states:DescribeExecution", "states:StopExecution"]),
        allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"]),
    )
    outer = account.machine(
        role,
        Nest={
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": inner, "Input": {"ok": "{% $states.input.ok %}"}},
            "End": True,
        },
    )
    fine = account.run(outer, {"ok": True})
    assert json.loads(fine["output"])["Output"] == {"answer": 42}
    bad = account.run(outer, {"ok": False})
    assert bad["error"] == "States.TaskFailed"
    assert json.loads(bad["cause"])["Error"] == "Bad"


def test_sync_needs_the_managed_rule_at_creation(account: Account) -> None:
    job = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync",
        "Arguments": {},
        "End": True,
    }
    mapped = {
        "Type": "Map",
        "Items": [1],
        "ItemProcessor": {"StartAt": "Job", "States": {"Job": job}},
        "End": True,
    }
    rule = "arn:aws:events:us-west-2:123456789012:rule/StepFunctionsGetEventsForSageMakerProcessingJobsRule"
    without = account.role(STATES, allow(["events:PutTargets", "events:PutRule"], rule))
    with pytest.raises(Exception, match=f"'{without}' is not authorized to create managed-rule"):
        account.machine(without, Each=mapped)
    account.machine(
        account.role(STATES, allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], rule)), Each=mapped
    )


def test_a_repeated_start_is_no_error_while_the_first_runs(account: Account) -> None:
    machine = account.machine(account.role(STATES), Wait={"Type": "Wait", "Seconds": 40, "End": True})
    states, name = account.client("stepfunctions"), unique("run")
    first = states.start_execution(stateMachineArn=machine, name=name, input="{}")
    assert (
        states.start_execution(stateMachineArn=machine, name=name, input="{}")["executionArn"] == first["executionArn"]
    )
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=machine, name=name, input='{"other": 1}')
    states.stop_execution(executionArn=first["executionArn"])
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=machine, name=name, input="{}")


def test_an_input_that_is_no_json_is_refused_at_the_start(account: Account) -> None:
    machine = account.machine(account.role(STATES), Done={"Type": "Succeed"})
    client = account.client("stepfunctions")
    with pytest.raises(client.exceptions.InvalidExecutionInput):
        client.start_execution(stateMachineArn=machine, input="{")


def test_a_result_beyond_256_kib_fails_the_task(account: Account) -> None:
    function = account.function("def handler(event, context): return 'x' * event['size']")
    machine = account.machine(account.role(STATES, allow("lambda:InvokeFunction")), Call=invoke(function))
    assert account.run(machine, {"size": 260_000})["status"] == "SUCCEEDED"
    assert account.run(machine, {"size": 262_144})["error"] == "States.DataLimitExceeded"


def test_a_state_that_times_out_fails_with_states_timeout(account: Account) -> None:
    function = account.function("import time\ndef handler(event, context): time.sleep(4)", Timeout=10)
    machine = account.machine(
        account.role(STATES, allow("lambda:InvokeFunction")), Slow=invoke(function, TimeoutSeconds=1)
    )
    started = time.monotonic()
    assert account.run(machine)["error"] == "States.Timeout"
    assert time.monotonic() - started < 4


def test_an_aborted_execution_stops_the_execution_that_it_waits_for(account: Account) -> None:
    inner = account.machine(account.role(STATES), Wait={"Type": "Wait", "Seconds": 600, "End": True})
    role = account.role(STATES, allow("states:*"), allow("events:*"))
    nest = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True}
    outer = account.machine(role, Nest={**nest, "Arguments": {"StateMachineArn": inner}})
    states = account.client("stepfunctions")

    def inner_in(status: str) -> list:
        return states.list_executions(stateMachineArn=inner, statusFilter=status)["executions"]

    running = states.start_execution(stateMachineArn=outer)["executionArn"]
    wait_for(lambda: inner_in("RUNNING"), seconds=10, what="inner execution")
    states.stop_execution(executionArn=running)
    wait_for(lambda: inner_in("ABORTED"), seconds=10, what="stopped inner execution")


def test_an_aborted_execution_stays_aborted_and_starts_nothing_more(account: Account, cloud: local_cloud.Cloud) -> None:
    url, queue = account.queue()
    send = "boto3.client('sqs').send_message(QueueUrl=event['url'], MessageBody='called')"
    function = account.function(
        f"import boto3, time\ndef handler(event, context):\n    {send}\n    time.sleep(1)\n    raise OSError('late')\n",
        role=account.role("lambda.amazonaws.com", allow("sqs:SendMessage", queue)),
        Timeout=20,
    )
    again = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 5}
    one_after_the_other = {
        "Type": "Map",
        "Items": [1, 2, 3],
        "MaxConcurrency": 1,
        "ItemProcessor": {"StartAt": "Call", "States": {"Call": invoke(function, Retry=[again])}},
        "End": True,
    }
    one_after_the_other["ItemProcessor"]["States"]["Call"]["Arguments"]["Payload"] = {"url": url}
    machine = account.machine(account.role(STATES, allow("lambda:InvokeFunction")), Each=one_after_the_other)
    states = account.client("stepfunctions")
    running = states.start_execution(stateMachineArn=machine)["executionArn"]
    wait_for(lambda: account.messages(url), seconds=10, what="first call")
    states.stop_execution(executionArn=running)
    time.sleep(2.5)
    assert account.messages(url) == []
    ended = states.describe_execution(executionArn=running)
    assert (ended["status"], ended.get("error")) == ("ABORTED", None)
    # How the thread was ended is nobody's trouble.
    assert "_Abandoned" not in cloud.log.read_text()


@pytest.mark.parametrize("catches", [[], [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]], ids=["fails", "catches"])
def test_what_fails_after_the_abort_changes_nothing(account: Account, catches: list) -> None:
    url, queue = account.queue()
    send = "boto3.client('sqs').send_message(QueueUrl=event['url'], MessageBody=event['state'])"
    function = account.function(
        f"import boto3, time\ndef handler(event, context):\n    {send}\n    time.sleep(1)\n    raise OSError('late')\n",
        role=account.role("lambda.amazonaws.com", allow("sqs:SendMessage", queue)),
        Timeout=20,
    )
    first = invoke(function, Catch=catches)
    first["Arguments"]["Payload"] = {"url": url, "state": "first"}
    machine = account.machine(
        account.role(STATES, allow("lambda:InvokeFunction")),
        First=first,
        Caught={"Type": "Fail", "Error": "Caught", "Cause": "late"},
    )
    states = account.client("stepfunctions")
    running = states.start_execution(stateMachineArn=machine)["executionArn"]
    wait_for(lambda: account.messages(url), seconds=10, what="call")
    states.stop_execution(executionArn=running)
    time.sleep(2.5)
    ended = states.describe_execution(executionArn=running)
    assert (ended["status"], ended.get("error")) == ("ABORTED", None)
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in states.get_execution_history(executionArn=running)["events"]
        if "stateEnteredEventDetails" in event
    ]
    assert entered == ["First"]
