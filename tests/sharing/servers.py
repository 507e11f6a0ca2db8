"""Servers on this machine's loopback: OpenSSH, S3, and a hub of models. Each is the real thing with its own keys and a free port."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def serve_ssh(folder: Path) -> Iterator[int]:
    """Start Debian's sshd with keys of its own below a folder, which becomes the client's home; yields the port."""
    if SSHD is None or shutil.which("ssh-keygen") is None:
        pytest.skip("no sshd here: apt-get install openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists, where root starts it
    port, home = find_port(), folder / ".ssh"
    home.mkdir(parents=True, mode=0o700)
    for key in ("host_key", "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / key)], check=True)
    shutil.copy(home / "id_ed25519.pub", home / "authorized_keys")
    host_key = " ".join((home / "host_key.pub").read_text().split()[:2])
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    config = f"""Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/authorized_keys
PidFile {home}/sshd.pid
PasswordAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
"""
    (home / "sshd_config").write_text(config)
    with (home / "sshd.log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "sshd_config")], stderr=log)
    try:
        wait_for_port(port, server)
        yield port
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def serve_s3(bucket: str) -> Iterator[str]:
    """Start an S3-compatible server with an empty bucket; yields its address."""
    moto = pytest.importorskip("moto.server", reason="no moto here: uv sync")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/{bucket}", method="PUT")).close()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class Hub(BaseHTTPRequestHandler):
    """What a hub answers about repositories that lie in `folder`/<owner>/<name>, all at one commit."""

    folder: Path
    commit: str

    def do_HEAD(self) -> None:
        """Answer about a file without sending it."""
        self.do_GET()

    def do_GET(self) -> None:
        """List a repository, or send a file of it."""
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"] and len(parts) > 4:  # …/<owner>/<name>/tree/<commit> or …/revision/<commit>
            repository = self.folder.joinpath(*parts[2:4])
            files = [{"type": "file", "path": path.name, "size": path.stat().st_size, "oid": tag(path)} for path in repository.iterdir()]
            about = {"id": "/".join(parts[2:4]), "sha": self.commit, "siblings": [{"rfilename": file["path"]} for file in files]}
            self._send(json.dumps(files if parts[4] == "tree" else about).encode(), "list")
        else:  # <owner>/<name>/resolve/<commit>/<file>
            path = self.folder.joinpath(*parts[:2], *parts[4:])
            self._send(path.read_bytes() if path.is_file() else None, tag(path))

    def _send(self, content: bytes | None, etag: str) -> None:
        self.send_response(200 if content is not None else 404)
        self.send_header("X-Repo-Commit", self.commit)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def tag(path: Path) -> str:
    """A name of a file's content, as the hub gives it."""
    return hashlib.sha1(path.read_bytes() if path.is_file() else b"").hexdigest()


@contextlib.contextmanager
def serve_hub(folder: Path, commit: str) -> Iterator[str]:
    """Serve the repositories of a folder as the hub does; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("FolderHub", (Hub,), {"folder": folder, "commit": commit}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def find_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server takes connections."""
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers on port {port}; exit status {server.poll()}")
