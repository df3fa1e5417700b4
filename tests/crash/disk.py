"""What is on a disk after a sequence of calls, and what may be left of it when the machine stops.

`Disk` plays calls and keeps, for each file and folder, what is durable beside what is not: bytes are durable once
the file is synced, names once their folder is. A `Crash` says what is left of the rest, as file systems may leave it:
all, nothing, or a part; names without bytes, bytes without names; a cut or a removal that did not come through.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class Crash(Enum):
    """What is left of bytes and names that were not synced."""

    LOST = "all of it is gone"
    TORN = "names stay, and half of the bytes"
    KEPT = "all of it stays: only the process ended"
    NAMED = "names stay, bytes are gone"
    ZEROED = "names stay, bytes are zeros"
    LONGEST = "names stay, and the most bytes that a file had: a cut is undone"
    REPLACED = "a file that replaced another is that other again; else all of it stays"
    MIXED_1 = "a part, by chance"
    MIXED_2 = "another part, by chance"
    MIXED_3 = "a third part, by chance"
    MIXED_4 = "a fourth part, by chance"


@dataclass(frozen=True)
class Call:
    """One call that changes something, and ``site``, the place in procengine from which it comes.

    ``size`` is where a ``write_at`` begins, or what a ``truncate`` leaves.
    """

    name: str
    path: Path
    data: bytes = b""
    size: int = 0
    target: Path | None = None
    site: str = ""


@dataclass(eq=False)
class Content:
    """A file. ``versions`` are its bytes since the last sync: the durable ones first, the present ones last."""

    versions: list[bytes] = field(default_factory=lambda: [b""])

    @property
    def now(self) -> bytes:
        return self.versions[-1]

    @property
    def synced(self) -> bytes:
        return self.versions[0]

    def become(self, data: bytes) -> None:
        self.versions.append(data)

    def sync(self) -> None:
        del self.versions[:-1]


FOLDER = Content()
"""Stands for every folder: what it holds are the names below it."""

Image = Mapping[Path, "bytes | None"]
"""Files with their bytes, and folders with None."""


@dataclass
class Disk:
    """The state that a sequence of calls leads to. Paths that no `make_folder` made are there from the beginning."""

    names: dict[Path, Content] = field(default_factory=dict)
    synced_names: dict[Path, Content] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Mapping[Path, bytes | None]) -> Disk:
        """Return a disk that holds an image, all of it durable."""
        contents = {path: FOLDER if data is None else Content([data]) for path, data in image.items()}
        return cls(dict(contents), dict(contents))

    def copy(self) -> Disk:
        """Return a disk of the same state."""
        copies: dict[int, Content] = {id(FOLDER): FOLDER}
        for one in (*self.names.values(), *self.synced_names.values()):
            copies.setdefault(id(one), Content(list(one.versions)))
        return Disk(
            {path: copies[id(one)] for path, one in self.names.items()},
            {path: copies[id(one)] for path, one in self.synced_names.items()},
        )

    def play(self, call: Call) -> None:
        match call.name:
            case "make_folder":
                self.names[call.path] = FOLDER
            case "create":
                self.names[call.path] = Content()
            case "write":
                self.names[call.path].become(self.names[call.path].now + call.data)
            case "write_at":
                now = self.names[call.path].now.ljust(call.size, b"\0")
                end = call.size + len(call.data)
                self.names[call.path].become(now[: call.size] + call.data + now[end:])
            case "sync":
                self.names[call.path].sync()
            case "truncate":
                self.names[call.path].become(self.names[call.path].now[: call.size])
            case "replace":
                assert call.target is not None
                self.names[call.target] = self.names.pop(call.path)
            case "remove":
                del self.names[call.path]
            case "sync_folder":
                kept = {path: one for path, one in self.synced_names.items() if path.parent != call.path}
                self.synced_names = kept | {
                    path: one for path, one in self.names.items() if path.parent == call.path
                }

    def after(self, crash: Crash) -> dict[Path, bytes | None]:
        """Return what a restart finds."""
        chance = random.Random(crash.name) if crash.name.startswith("MIXED") else None
        names = self.synced_names if crash is Crash.LOST else self.names
        if chance is not None:
            names = _some_names(self.synced_names, self.names, chance)
        elif crash is Crash.REPLACED:
            names = {path: self.synced_names.get(path, one) for path, one in self.names.items()}
        made = {path for one in (self.names, self.synced_names) for path in one if one[path] is FOLDER}
        image: dict[Path, bytes | None] = {}
        for path, one in sorted(names.items()):
            if path.parent in made and path.parent not in image:
                continue  # its folder is gone, and it with it
            image[path] = None if one is FOLDER else _left_of(one, crash, chance)
        return image


def _some_names(
    synced: Mapping[Path, Content], now: Mapping[Path, Content], chance: random.Random
) -> dict[Path, Content]:
    """Return for each name what it was when it was durable last, or what it is, by chance."""
    sides = {path: chance.choice((synced, now)) for path in sorted({*synced, *now})}
    return {path: side[path] for path, side in sides.items() if path in side}


def _left_of(content: Content, crash: Crash, chance: random.Random | None) -> bytes:
    synced, now = content.synced, content.now
    if chance is not None:
        return _torn(chance.choice(content.versions), synced, chance.random())
    match crash:
        case Crash.KEPT | Crash.REPLACED:
            return now
        case Crash.TORN:
            return _torn(now, synced, 0.5)
        case Crash.ZEROED if now.startswith(synced):
            return synced + bytes(len(now) - len(synced))
        case Crash.LONGEST:
            return max(content.versions, key=len)
    return synced


def _torn(data: bytes, synced: bytes, share: float) -> bytes:
    if not data.startswith(synced):  # a cut that was not synced
        return synced
    return data[: len(synced) + round((len(data) - len(synced)) * share)]


def digest(image: Image) -> bytes:
    """Return what tells an image from others."""
    found = hashlib.blake2b(digest_size=16)
    for path, data in sorted(image.items()):
        found.update(f"{path}\0{-1 if data is None else len(data)}\0".encode())
        found.update(data or b"")
    return found.digest()
