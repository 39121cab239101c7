"""A pooler of the tests' own before their PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

from foundation_testing.postgres import PASSWORD, Cluster, free_port, unprivileged
from foundation_testing.waiting import wait_until


class Pooler:
    """PgBouncer before a cluster, in its mode `transaction`, for who comes by TLS."""

    def __init__(self, cluster: Cluster, certificate: str, key: str) -> None:
        self._cluster, self.port = cluster, free_port()
        quoted = PASSWORD.replace('"', '""')
        users = cluster.write("pooler-users.txt", f'"tests" "{quoted}"\n')
        files = cluster.write("pooler.crt", certificate), cluster.write("pooler.key", key)
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "transaction",
            # Fewer than visitors: statements of one do meet another's connection.
            "default_pool_size": 2,
            "client_tls_sslmode": "require",
            "client_tls_cert_file": files[0],
            "client_tls_key_file": files[1],
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n"
        self._settings = cluster.write("pooler.ini", databases + "[pgbouncer]\n" + "\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """PgBouncer; Debian keeps it where only root's PATH looks."""
        return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

    def start(self) -> None:
        command = [str(self.program()), str(self._settings)]
        with (self._cluster.folder / "pooler.log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **unprivileged())
        said, process = self._cluster.folder / "pooler.log", self._process

        def listens() -> bool:
            if process.poll() is not None:
                raise RuntimeError(said.read_text())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        wait_until(listens, 30, said.read_text)

    def remove(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
