"""System users on this machine, made for a test and removed after it, and what they type."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cache.project import ENVIRONMENT

NEEDED = ("groupadd", "useradd", "userdel", "setpriv")
SEES_ALL = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
"""Lets a user find an interpreter that lies in root's home. What they may write stays with the bits of files and folders."""


class User:
    """A system user."""

    def __init__(self, name: str, group: str) -> None:
        self.name, self.group = name, group
        self.started: list[subprocess.Popen[str]] = []

    def start(self, folder: Path, *command: str, umask: int = 0o022) -> "subprocess.Popen[str]":
        """Start a command as the user, in a folder; an umask of 022 takes the group's write bit from whatever does not ask for it."""
        become = ["setpriv", "--reuid", self.name, "--regid", self.name, "--init-groups", *SEES_ALL]
        environment = {**ENVIRONMENT, "HOME": str(folder), "USER": self.name, "LOGNAME": self.name}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*become, *command], cwd=folder, env=environment, umask=umask, start_new_session=True, **pipes)
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs of the user's commands, so that the user can be removed."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(self, folder: Path, *command: str) -> str:
        """Run a command as the user; return what it prints."""
        return finish(self.start(folder, *command))

    def attempt(self, code: str, path: Path) -> str:
        """Run a line of Python on a path as the user; return the name of the exception, or `done`."""
        program = f"import os, sys\nfrom pathlib import Path\npath = Path(sys.argv[1])\ntry:\n    {code}\nexcept OSError as error:\n"
        program += "    print(type(error).__name__)\nelse:\n    print('done')"
        return self.run(path.parent, sys.executable, "-c", program, str(path)).strip()


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for a command; return what it printed."""
    told, wrong = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args} failed:\n{told[-3000:]}\n{wrong[-3000:]}")
    return told


@contextlib.contextmanager
def make_users(*names: str) -> Iterator[list[User]]:
    """Make a group and users in it; the names get this process' number."""
    if os.getuid() != 0 or not all(map(shutil.which, NEEDED)):
        pytest.skip(f"only root makes users, with {', '.join(NEEDED)}")
    group = f"team{os.getpid()}"
    users = [User(f"{name}{os.getpid()}", group) for name in names]
    try:
        subprocess.run(["groupadd", group], check=True)
        for user in users:
            subprocess.run(["useradd", "--no-create-home", "--user-group", "--groups", group, user.name], check=True)
        yield users
    finally:
        for user in users:
            user.end()
            subprocess.run(["userdel", user.name], check=False)
        subprocess.run(["groupdel", group], check=False)


@contextlib.contextmanager
def make_server() -> Iterator[Path]:
    """A folder that all users of the machine may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
