"""How do Parquet files lie in an S3-compatible object store, while all else lies on this machine?

Each file keeps the path that it would have here as its name; its bytes are an object under a prefix of its own for
each data folder, so that folders may share a bucket. A file is written here first and takes its name by being
uploaded: the store shows an object whole or not at all. Files that lie here, from before there was a bucket, are read
here until they are written again.

Source: influxdb3_clap_blocks/src/object_store.rs (options).
Differs: the original keeps log and catalog in the object store, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from procengine.errors import StorageError
from procengine.file_system import AppendFile, FileSystem

SUFFIX = ".parquet"
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 20.0
ATTEMPTS = 3


class ParquetPlaces(Protocol):
    """Where readers find Parquet files."""

    def url(self, path: str) -> str:
        """Return a file's address for DataFusion."""
        ...

    def source(self, path: str) -> tuple[str, Any]:
        """Return a file's path and file system for pyarrow; None stands for this machine's."""
        ...


class LocalPlaces:
    """Parquet files lie on this machine, where their names say."""

    def url(self, path: str) -> str:
        """Return the path."""
        return path

    def source(self, path: str) -> tuple[str, Any]:
        """Return the path."""
        return path, None


LOCAL_PLACES: ParquetPlaces = LocalPlaces()
"""It has no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketOptions:
    """Which store, and who asks; without keys the machine's own credentials count, as AWS's clients find them."""

    bucket: str
    region: str
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    allow_http: bool = False


class Bucket:
    """The objects of one data folder's Parquet files. Any thread.

    ``folder`` is where the files would lie here.
    """

    def __init__(self, options: BucketOptions, folder: Path, prefix: str) -> None:
        self.options = options
        self.folder = folder
        self._prefix = prefix

    @cached_property
    def files(self) -> Any:
        """Pyarrow's file system of the store."""
        from pyarrow import fs

        options = self.options
        return fs.S3FileSystem(
            access_key=options.access_key_id,
            secret_key=options.secret_access_key,
            session_token=options.session_token,
            region=options.region,
            endpoint_override=options.endpoint,
            scheme="http" if _is_http(options) else "https",
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        )

    def key(self, path: str | Path) -> str:
        """Return a file's or folder's key, the bucket first."""
        name = Path(path).relative_to(self.folder).as_posix()
        return f"{self.options.bucket}/{self._prefix}/{name}"

    def url(self, path: str) -> str:
        """Return a file's address for DataFusion."""
        return path if Path(path).exists() else f"s3://{self.key(path)}"

    def source(self, path: str) -> tuple[str, Any]:
        """Return a file's path or key, and its file system."""
        return (path, None) if Path(path).exists() else (self.key(path), self.files)

    def check(self) -> None:
        """Look whether the bucket can be used.

        Raises: StorageError: it cannot; the text says what the store answered.
        """
        from pyarrow import fs

        try:
            found = self.files.get_file_info(self.options.bucket)
            if found.type is fs.FileType.NotFound:
                raise OSError("there is no such bucket")
            self.files.get_file_info(
                fs.FileSelector(f"{self.options.bucket}/{self._prefix}", allow_not_found=True)
            )
        except OSError as error:
            where = self.options.endpoint or f"region {self.options.region}"
            raise StorageError(
                f"cannot use bucket {self.options.bucket!r} of {where}: {error}; expected a bucket that is there, "
                "and aws_access_key_id and aws_secret_access_key that may read, write and list it"
            ) from error


class BucketFiles:
    """A file system whose finished Parquet files of a bucket's folder lie in the store, and all others here."""

    def __init__(self, here: FileSystem, bucket: Bucket) -> None:
        self._here = here
        self._bucket = bucket

    def make_folder(self, folder: Path) -> None:
        """Make one folder, here; the store has none."""
        self._here.make_folder(folder)

    def names(self, folder: Path) -> Sequence[str]:
        """Return the names here, and those of the store."""
        names = self._here.names(folder)
        if self._bucket.folder not in folder.parents:
            return names
        from pyarrow import fs

        wanted = fs.FileSelector(self._bucket.key(folder), allow_not_found=True)
        stored = [one.base_name for one in self._bucket.files.get_file_info(wanted) if one.is_file]
        return list(dict.fromkeys((*names, *stored)))

    def create(self, path: Path) -> AppendFile:
        """Make a new file, here."""
        return self._here.create(path)

    def reopen(self, path: Path) -> AppendFile:
        """Open a file of this machine."""
        return self._here.reopen(path)

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        """Return bytes of a file."""
        if not self._is_stored(path):
            return self._here.read(path, offset, size_bytes)
        with self._bucket.files.open_input_file(self._bucket.key(path)) as file:
            rest = max(0, file.size() - offset)
            content: bytes = file.read_at(rest if size_bytes < 0 else min(size_bytes, rest), offset)
            return content

    def replace(self, source: Path, target: Path) -> None:
        """Give a file its name; a Parquet file by storing it, which is durable when it returns."""
        if not self._is_ours(target):
            self._here.replace(source, target)
            return
        from pyarrow import fs

        fs.copy_files(
            str(source),
            self._bucket.key(target),
            source_filesystem=fs.LocalFileSystem(),
            destination_filesystem=self._bucket.files,
        )
        self._here.remove(source)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        if self._is_stored(path):
            self._bucket.files.delete_file(self._bucket.key(path))
        else:
            self._here.remove(path)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the disk; the store's are at once."""
        self._here.sync_folder(folder)

    def _is_ours(self, path: Path) -> bool:
        return path.suffix == SUFFIX and self._bucket.folder in path.parents

    def _is_stored(self, path: Path) -> bool:
        return self._is_ours(path) and not path.exists()


def _is_http(options: BucketOptions) -> bool:
    return options.allow_http and bool(options.endpoint) and str(options.endpoint).startswith("http:")
