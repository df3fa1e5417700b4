"""How does a plugin come here from a git repository?

By the machine's ``git``, which fetches one revision without its history into a bare repository of ours, by the
address's own protocol and no other. Nothing of the repository is run or checked out: hooks, submodules and its
settings do not count, its files are read from git's store. Nobody is asked for a password.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from procengine.errors import PluginPathError
from procengine.model.plugin_address import GitAddress
from procengine.processing.repository_file import MOST_BYTES, RepositoryAwayError

GIT_SECONDS: Final = 60.0
"""How long one command of git may take."""

_REGULAR: Final = frozenset({"100644", "100755"})
_NEVER_INHERITED: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}
)
_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "fetch.fsckObjects=true",
    "fetch.recurseSubmodules=false",
    "credential.interactive=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    "gc.auto=0",
    "maintenance.auto=false",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A file of a commit."""

    mode: str
    size_bytes: int
    object_id: str
    path: str


class GitRepository:
    """The copy of one repository below a folder. One thread at a time."""

    def __init__(self, folder: Path, address: GitAddress, *, seconds: float = GIT_SECONDS) -> None:
        self._address = address
        self._folder = folder / f"{hashlib.sha256(address.url.encode()).hexdigest()[:12]}.git"
        self._seconds = seconds

    def resolve(self) -> str:
        """Fetch the address's revision; return the commit's 40 digits.

        Raises:
            RepositoryAwayError: the repository cannot be reached, has no such revision, or takes too long.
            PluginPathError: git is not installed.
        """
        return self._fetched(self._address.revision)

    def texts(self, commit: str) -> Mapping[str, bytes]:
        """Return the plugin's files at a commit, by path within the repository; fetched where they are not here.

        Raises:
            PluginPathError: there is no such file or folder, or it is too large, or no plain file.
            RepositoryAwayError: as `resolve`.
        """
        if not self._has(commit):
            self._fetched(commit)
        path = self._address.path
        entries = self._entries(commit, path)
        if not entries:
            raise self._refused(f"there is no {path!r} at commit {commit[:12]}")
        if [one.path for one in entries] == [path] and entries[0].mode not in _REGULAR:
            raise self._refused(f"{path!r} is a link or a submodule, not a file")
        files = [one for one in entries if one.mode in _REGULAR]
        if sum(one.size_bytes for one in files) > MOST_BYTES:
            raise self._refused(f"{path!r} is larger than {MOST_BYTES >> 20} MiB")
        return self._read(files)

    def _entries(self, commit: str, path: str) -> list[_Entry]:
        listed = self._git("--literal-pathspecs", "ls-tree", "-r", "-z", "-l", commit, "--", path)
        entries = []
        for line in listed.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            head, _, name = line.partition("\t")
            mode, _, object_id, size = head.split()
            if ".." in PurePosixPath(name).parts:
                raise self._refused(f"the path {name!r} leads out of the repository")
            size_bytes = int(size) if size.isdigit() else 0
            entries.append(_Entry(mode=mode, size_bytes=size_bytes, object_id=object_id, path=name))
        return entries

    def _read(self, files: Sequence[_Entry]) -> dict[str, bytes]:
        asked = "".join(f"{one.object_id}\n" for one in files).encode()
        answer = self._git("cat-file", "--batch", stdin=asked)
        found, at = {}, 0
        for one in files:
            at = answer.index(b"\n", at) + 1
            found[one.path] = answer[at : at + one.size_bytes]
            at += one.size_bytes + 1
        return found

    def _has(self, commit: str) -> bool:
        if not (self._folder / "HEAD").is_file():
            return False
        with contextlib.suppress(RepositoryAwayError):
            self._git("cat-file", "-e", f"{commit}^{{tree}}")
            return True
        return False

    def _fetched(self, revision: str) -> str:
        if not (self._folder / "HEAD").is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._git("init", "--quiet", "--bare", "--template=", ".")
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force")
        self._git("fetch", *options, "--end-of-options", self._address.url, revision)
        found = self._git("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}")
        return found.decode().strip()

    def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run git in the copy; return what it printed."""
        git = shutil.which("git")
        if git is None:
            raise self._refused("git is not installed, or not in PATH; install it, or save the file")
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        process = subprocess.Popen(
            [git, *settings, *arguments],
            cwd=self._folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Its own session: git starts others, and all must end; none finds a terminal to ask at.
            start_new_session=True,
        )
        try:
            output, said = process.communicate(stdin, timeout=self._seconds)
        except subprocess.TimeoutExpired as error:
            raise RepositoryAwayError(
                self._text(f"git {arguments[0]} was not done after {self._seconds:g} seconds")
            ) from error
        finally:
            _end(process)
        if process.returncode != 0:
            lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
            why = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines
            raise RepositoryAwayError(self._text(f"git: {'; '.join(why[:3]) or 'failed'}"))
        return output

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _NEVER_INHERITED}
        return {
            **kept,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GCM_INTERACTIVE": "never",
            "GIT_ALLOW_PROTOCOL": self._address.scheme,
            "GIT_PROTOCOL_FROM_USER": "0",
            "LC_ALL": "C",
        }

    def _refused(self, why: str) -> PluginPathError:
        return PluginPathError(self._text(why))

    def _text(self, why: str) -> str:
        return f"error fetching plugin from repository: {self._address.url}: {why}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started; one that has ended is left alone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            if os.name == "nt":  # pragma: no cover
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
