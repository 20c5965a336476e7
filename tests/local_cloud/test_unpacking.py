"""Functions that are made of the same share what was unpacked of it, and see no other's."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from .conftest import Account, unique

TELL_PLACES = """
import os, library
def handler(event, context):
    return [os.path.realpath(__file__), os.path.realpath(library.__file__), library.NAME]
"""


def zipped(name: str, text: str) -> bytes:
    """The same bytes whenever it is made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def layer(account: Account, text: str) -> str:
    content = {"ZipFile": zipped("python/library.py", text)}
    return account.client("lambda").publish_layer_version(LayerName=unique("layer"), Content=content)["LayerVersionArn"]


def answer(account: Account, source: str, **settings: Any) -> Any:
    """What a new function of that source says."""
    function = account.function("", **settings)
    return answer_after_update(account, function, source)


def answer_after_update(account: Account, function: str, source: str) -> Any:
    client = account.client("lambda")
    client.update_function_code(FunctionName=function, ZipFile=zipped("index.py", source))
    told = client.invoke(FunctionName=function)
    body = told["Payload"].read()
    assert "FunctionError" not in told, body
    return json.loads(body)


def test_code_and_layers_are_unpacked_once_for_all_functions_that_have_the_same(account: Account) -> None:
    one, other = layer(account, "NAME = 'one'"), layer(account, "NAME = 'two'")
    first, second = (answer(account, TELL_PLACES, Layers=[one]) for _ in range(2))
    assert first == second
    third = answer(account, TELL_PLACES, Layers=[other])
    assert third[0] == first[0]
    assert (first[2], third[2]) == ("one", "two")
    fourth = answer(account, TELL_PLACES + "# changed", Layers=[one])
    assert fourth[0] != first[0]
    assert fourth[1] == first[1]


def test_new_code_of_a_function_is_what_runs_next(account: Account) -> None:
    function = account.function("def handler(event, context): return 1")
    assert answer_after_update(account, function, "def handler(event, context): return 2") == 2
    assert answer_after_update(account, function, "def handler(event, context): return 3") == 3
