"""TLS for 127.0.0.1: a CA of this cloud's own, made anew at every start.

Policies that deny plain HTTP are only real where TLS is. The bundle that clients are given keeps the
public roots beside our CA, because `AWS_CA_BUNDLE` replaces a client's roots, and jobs also download
from the internet.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import botocore
import trustme

from local_cloud.cloud import EXTRA_ROOTS


@dataclass(frozen=True)
class Certificates:
    chain: Path
    key: Path
    ca: Path
    bundle: Path


def make(folder: Path) -> Certificates:
    """A CA, and a certificate for localhost signed by it, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = trustme.CA(organization_name="Local cloud")
    leaf = authority.issue_cert("localhost", "127.0.0.1", "*.localhost")
    made = Certificates(
        chain=folder / "server.pem",
        key=folder / "server.key",
        ca=folder / "ca.pem",
        bundle=folder / "ca-bundle.pem",
    )
    made.key.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(made.key)
    made.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    made.bundle.write_bytes(_public_roots() + b"\n" + authority.cert_pem.bytes())
    # Last: whoever waits for the cloud to answer takes this file as the sign that the others are there.
    authority.cert_pem.write_to_path(made.ca)
    return made


def _public_roots() -> bytes:
    system = ssl.get_default_verify_paths()
    usual = [Path(path) for path in (system.cafile, system.openssl_cafile) if path]
    carried = Path(botocore.__file__).with_name("cacert.pem")
    roots = next(path.read_bytes() for path in [*usual, carried] if path.is_file())
    named = {Path(os.environ[name]) for name in EXTRA_ROOTS if os.environ.get(name)} - set(usual)
    return b"\n".join([roots, *(path.read_bytes() for path in sorted(named) if path.is_file())])
