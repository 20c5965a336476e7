"""Set-up trusts what the machine trusts."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from stacks.components import function_asset, uv
from tools import setup
from tools.setup import certificate_options


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which OpenSSL finds no certificate; the folder in which it looks for some."""
    folder = tmp_path / "certs"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    return folder


def test_without_system_certificates_uv_keeps_to_its_own(nowhere: Path) -> None:
    assert certificate_options() == []
    # OpenSSL looks up names made of hashes, so it will not find this one.
    (nowhere / "company.pem").write_text("a certificate")
    (nowhere / "company.0").write_text("a certificate")
    assert certificate_options() == []


def test_certificates_in_one_file_are_trusted(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    assert certificate_options() == ["--system-certs"]


def test_certificates_that_are_known_through_a_folder_alone_are_trusted(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "5ed36f99.0").write_text("a certificate")
    assert certificate_options() == ["--system-certs"]
    # As a path of several folders, too.
    monkeypatch.setenv("SSL_CERT_DIR", f"{nowhere.parent / 'not-there'}:{nowhere}")
    assert certificate_options() == ["--system-certs"]


def test_environments_and_functions_are_installed_with_them(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "5ed36f99.0").write_text("a certificate")
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setattr(setup, "uv", lambda: program)
    (tmp_path / "environment").mkdir()
    setup._environment(tmp_path / "environment", "requirements/functions.txt", "nothing")
    monkeypatch.setattr(uv, "_program", lambda: str(program))
    monkeypatch.setattr(function_asset, "CACHE", tmp_path / "cache")
    function_asset.function_dependencies()
    installs = [line for line in (tmp_path / "called").read_text().splitlines() if line.startswith("pip install")]
    assert ["--system-certs" in line for line in installs] == [True, True]
