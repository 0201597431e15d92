"""Certificates for tests: an authority, and what it signs for a server at 127.0.0.1 and for a client."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.servers import PATIENCE_SECONDS


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def cert(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def server_context(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """TLS of the server; with ``ask_client`` it wants a certificate that the authority signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert("server"), self.key("server"))
        if ask_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_certificates(folder: Path) -> Certificates:
    """Sign for ``server`` and ``client``; ``locked.key`` is the client's key behind a password."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    made = Certificates(folder)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *curve, "-subj", "/CN=authority", "-keyout", made.key("ca"), "-out", made.ca)
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        request = folder / f"{name}.csr"
        _openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", made.key(name), "-out", request)
        extensions = folder / f"{name}.ext"
        extensions.write_text(extension)
        signed = ("-CA", made.ca, "-CAkey", made.key("ca"), "-CAcreateserial", "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, *signed, "-out", made.cert(name))
    _openssl("ec", "-in", made.key("client"), "-aes256", "-passout", "pass:hunter2", "-out", made.key("locked"))
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE_SECONDS)
