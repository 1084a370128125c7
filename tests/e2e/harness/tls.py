"""Certificates of a private authority, made by the `openssl` program, and clients that trust it."""

import ssl
import subprocess

from .client import Client


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory, name="Test Authority"):
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.file = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
            "-subj", f"/O=Test/CN={name}", "-keyout", self._key, "-out", self.file,
        )

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)

    def issue(self, name, hosts=("localhost",), days=365, rsa=False):
        """A chain and its key: `NAME.pem` and `NAME.key`; a name that was issued before gets new ones."""
        chain, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        self._openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/O=Test/CN={name}", "-keyout", key, "-out", request)
        names = ",".join(f"IP:{host}" if host[0].isdigit() else f"DNS:{host}" for host in hosts)
        extensions.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-days", days, "-extfile", extensions, "-out", chain,
        )
        chain.write_text(chain.read_text() + self.file.read_text())
        key.chmod(0o600)
        return chain, key

    def context(self, client=None, **versions):
        """Of a client that trusts this authority; `client`: the chain and key that it shows."""
        context = ssl.create_default_context(cafile=str(self.file))
        for name, value in versions.items():
            setattr(context, name, value)
        if client:
            context.load_cert_chain(*map(str, client))
        return context


class TlsClient(Client):
    """A client over TLS; `session` resumes one."""

    @classmethod
    def connect(cls, port, context, host="localhost", timeout=10.0, session=None):
        raw = Client.tcp("127.0.0.1", port, timeout=timeout).socket
        return cls(context.wrap_socket(raw, server_hostname=host, session=session))

    @property
    def serial(self):
        return self.socket.getpeercert()["serialNumber"]


class TlsServer:
    """A server as loads see it, over TLS."""

    def __init__(self, server, context, host="localhost"):
        self.server, self.context, self.host = server, context, host
        self.port = server.port

    def connect(self, timeout=10.0):
        return TlsClient.connect(self.port, self.context, self.host, timeout)
