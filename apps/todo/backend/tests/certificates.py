"""An authority and certificates of the tests' own, by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


class Authority:
    """Signs certificates; `public` is its own, in PEM."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self._elliptic = elliptic
        subject = ("-subj", f"/CN={name}", "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.crt")
        _openssl(folder, "req", "-x509", *elliptic, *subject)
        self.file = folder / f"{name}.crt"
        self.public = self.file.read_text()

    def issue(self, host: str) -> tuple[str, str]:
        """Certificate and key for a host's name, both in PEM."""
        _openssl(
            self._folder,
            *("req", *self._elliptic, "-subj", f"/CN={host}", "-keyout", "server.key", "-out", "server.csr"),
        )
        (self._folder / "names").write_text(f"subjectAltName=DNS:{host}\n")
        signed = ("-CA", f"{self._name}.crt", "-CAkey", f"{self._name}.key", "-CAcreateserial", "-days", "2")
        _openssl(self._folder, "x509", "-req", "-in", "server.csr", *signed, "-extfile", "names", "-out", "server.crt")
        return (self._folder / "server.crt").read_text(), (self._folder / "server.key").read_text()
