"""Plugins, archives and registries to try things on."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from procengine.clock import VirtualClock
from procengine.model.registry_index import RegistryIndex, parse_index
from procengine.registry.artifact import hash_of
from procengine.registry.publication import package

MANIFEST = """\
manifest_schema_version = "1.3"

[plugin]
name = "{name}"
version = "{version}"
description = "Says what came."
triggers = ["process_writes"]
exclude = ["__pycache__/", "tests/**"]

[dependencies]
database_version = "{database_version}"
"""
CODE = "def process_writes(influxdb3_local, table_batches, args=None):\n    influxdb3_local.info({version!r})\n"
PUBLISHED = "2026-04-29T18:45:12Z"


def make_plugin(
    folder: Path,
    *,
    name: str = "hot-rooms",
    version: str = "1.2.0",
    database_version: str = ">=3.0.0",
    needs: str = "",
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a plugin of one file, and ``files`` beside it, into a new folder."""
    manifest = MANIFEST.format(name=name, version=version, database_version=database_version) + needs
    texts = {"manifest.toml": manifest, "hot.py": CODE.format(version=version)} | dict(files or {})
    for each, text in texts.items():
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(text, encoding="utf-8")
    return folder


class Registry:
    """A registry in a folder; what is published is in its index at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.write({"index_schema_version": "2.1", "artifacts_url": folder.as_uri(), "plugins": []})

    @property
    def url(self) -> str:
        """The address of the index."""
        return (self.folder / "index.json").as_uri()

    @property
    def index(self) -> RegistryIndex:
        """The index as it is."""
        return parse_index(self.read())

    def read(self) -> str:
        """Return the text of the index."""
        return (self.folder / "index.json").read_text(encoding="utf-8")

    def write(self, value: object) -> None:
        """Make the index say something."""
        (self.folder / "index.json").write_text(json.dumps(value), encoding="utf-8")

    def publish(self, plugin: Path) -> Path:
        """Publish a plugin; return its artifact."""
        out = self.folder.with_name(f"{self.folder.name}-out")
        done = package(plugin, index_file=self.folder / "index.json", out=out, clock=VirtualClock(0))
        done.index.replace(self.folder / "index.json")
        return done.artifact.replace(self.folder / done.artifact.name)

    def change(self, change: Callable[[dict[str, object]], object], *, entry: int = -1) -> None:
        """Change an entry of the index, the newest unless another is said."""
        value = json.loads(self.read())
        change(value["plugins"][entry])
        self.write(value)

    def put_artifact(self, artifact: Path, data: bytes) -> None:
        """Give the newest entry another artifact, with the hash that it has."""
        artifact.write_bytes(data)
        self.change(lambda one: one.update(hash=hash_of(data)))


def archive(*members: tuple[tarfile.TarInfo, bytes], level: int = 6) -> bytes:
    """Return an artifact of any members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), level, mtime=0)


def member(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "") -> tarfile.TarInfo:
    """Return the head of one member of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info
