"""Object store ``s3``: Parquet files in a bucket, against an S3 server in this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.fs as fs
import pytest
from procengine_jupyter.status import shown_value

from procengine import Engine
from procengine.bucket import Bucket, BucketFiles, BucketOptions
from procengine.clock import VirtualClock
from procengine.config import OPTIONS, load_config
from procengine.errors import ConfigError, ProcengineError, QueryError, StorageError
from procengine.file_system import write_durably
from tests.engine.looks import rows
from tests.journalling_files import Crash, JournallingFiles

moto_server = pytest.importorskip("moto.server")

BUCKET = "weather"
START_NS = 1_700_000_000_000_000_000
HOUR_SECONDS = 3600


@pytest.fixture
def server() -> Iterator[Any]:
    """An S3 server with an empty bucket; what a test leaves behind goes with it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    running.url = f"http://{host}:{port}"
    store = _store(running.url)
    store.create_dir(BUCKET)
    yield running
    for found in store.get_file_info(fs.FileSelector(BUCKET)):
        store.delete_dir(f"{BUCKET}/{found.base_name}")
    running.stop()


def _store(url: str) -> fs.S3FileSystem:
    return fs.S3FileSystem(
        access_key="key",
        secret_key="secret",
        region="us-east-1",
        endpoint_override=url,
        scheme="http",
        allow_bucket_creation=True,
    )


def options(server: Any, folder: Path) -> dict[str, Any]:
    """Return the options of an engine whose Parquet files lie in the server's bucket."""
    return {
        "environ": {},
        "data_dir": folder,
        "object_store": "s3",
        "bucket": BUCKET,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_endpoint": server.url,
        "aws_allow_http": True,
    }


def objects(server: Any) -> list[str]:
    """Return the keys of all objects, without the prefix of their data folder."""
    found = _store(server.url).get_file_info(fs.FileSelector(BUCKET, recursive=True))
    return sorted(one.path.split("/", 3)[3] for one in found if one.is_file)


def test_rows_live_in_the_bucket_and_come_back(server: Any, tmp_path: Path) -> None:
    """A snapshot stores its files there and leaves none here; queries join them with the buffer."""
    folder = tmp_path / "data"
    with Engine(**options(server, folder)) as engine:
        engine.write("house", "home,room=a n=1i 1\nhome,room=b n=2i 2")
        engine.write_buffer.snapshot()
        assert not list(folder.rglob("*.parquet"))
        assert [name.rpartition(".")[2] for name in objects(server)] == ["parquet"]
        engine.write("house", "home,room=c n=3i 3")
        assert len(rows(engine, "SELECT * FROM home")) == 3
        (file,) = rows(engine, "SELECT path FROM system.parquet_files")
        assert str(file["path"]).startswith(f"s3://{BUCKET}/procengine/{engine.catalog.instance_id}/")
    with Engine(**options(server, folder)) as engine:
        found = rows(engine, "SELECT room, n FROM home WHERE n > 1 ORDER BY room")
        assert found == [{"room": "b", "n": 2}, {"room": "c", "n": 3}]


def test_several_files_that_overlap_are_merged(server: Any, tmp_path: Path) -> None:
    """Rows of the same tags and time in two files are one; of later columns older files have nulls."""
    with Engine(**options(server, tmp_path)) as engine:
        for number in range(
            4
        ):  # far apart, and so many rows that no snapshot writes an older file again
            lines = [f"home,room=a n={number}i {number * 10**15 + row}" for row in range(60 >> number)]
            engine.write("house", "\n".join(lines))
            engine.write_buffer.snapshot()
        engine.write("house", "home,room=a n=9i,late=true 1")
        engine.write_buffer.snapshot()
        assert len(objects(server)) > 2
        counts = rows(engine, "SELECT n, count(*) AS times FROM home GROUP BY n ORDER BY n")
        assert counts == [
            {"n": 0, "times": 59},
            {"n": 1, "times": 30},
            {"n": 2, "times": 15},
            {"n": 3, "times": 7},
            {"n": 9, "times": 1},
        ]
        late = rows(engine, "SELECT late FROM home WHERE late IS NOT NULL")
        assert late == [{"late": True}]


def test_caches_are_filled_from_the_bucket(server: Any, tmp_path: Path) -> None:
    """A last-value cache reads history where it lies."""
    with Engine(**options(server, tmp_path)) as engine:
        engine.write("house", "home,room=a n=1i\nhome,room=b n=2i")
        engine.write_buffer.snapshot()
        engine.last_caches.create("house", "home")
        found = rows(engine, "SELECT room, n FROM last_cache('home') ORDER BY room")
        assert found == [{"room": "a", "n": 1}, {"room": "b", "n": 2}]


def test_what_is_written_again_or_deleted_leaves_the_bucket(server: Any, tmp_path: Path) -> None:
    """Files that were replaced, expired, or are of a table deleted for good, go: at the next start at last."""
    clock = VirtualClock(START_NS)
    with Engine(**options(server, tmp_path), clock=clock) as engine:
        for number in range(3):
            engine.write("house", f"home n={number}i {START_NS + number}")
            engine.write_buffer.snapshot()
        engine.write("house", f"gone n=1i {START_NS}")
        engine.write_buffer.snapshot()
        assert len(objects(server)) >= 2
        engine.catalog.delete_table("house", "gone", 0)
        engine.catalog.set_retention_period("house", HOUR_SECONDS * 10**9)
        clock.advance(2 * HOUR_SECONDS)
        assert rows(engine, "SELECT * FROM home") == []
        engine.write("house", f"new n=1i {clock.now_ns()}")
        engine.write_buffer.snapshot()
    with Engine(**options(server, tmp_path), clock=clock) as engine:
        assert len(rows(engine, "SELECT * FROM new")) == 1
        assert len(objects(server)) == 1


def test_files_of_this_machine_stay_readable(server: Any, tmp_path: Path) -> None:
    """A folder that began with object store ``file`` goes on with a bucket, its files read from both."""
    with Engine(environ={}, data_dir=tmp_path) as engine:
        engine.write("house", "\n".join(f"home n={n}i {n}" for n in range(100)))
        engine.write_buffer.snapshot()
    with Engine(**options(server, tmp_path)) as engine:
        engine.write("house", "home n=7i 10000000000000000")
        engine.write_buffer.snapshot()
        assert len(objects(server)) == 1
        assert rows(engine, "SELECT count(*) AS rows FROM home") == [{"rows": 101}]
    with pytest.raises(ProcengineError, match="is missing, though"):
        Engine(environ={}, data_dir=tmp_path)


def test_a_store_that_is_away_loses_nothing(server: Any, tmp_path: Path) -> None:
    """A snapshot fails and says why, its rows stay in the log; queries of stored rows fail until it is back."""
    url = server.url
    with Engine(**options(server, tmp_path)) as engine:
        engine.write("house", "home n=1i 1")
        engine.write_buffer.snapshot()
        engine.write("house", "away n=2i 2")
        server.stop()
        with pytest.raises(StorageError, match=r"snapshot failed, and nothing is lost: .*AWS Error"):
            engine.write_buffer.snapshot()
        assert rows(engine, "SELECT n FROM away") == [{"n": 2}]
        with pytest.raises((QueryError, ProcengineError), match=r"home|127\.0\.0\.1"):
            engine.query("SELECT n FROM home", "house")
        server._port = int(url.rpartition(":")[2])
        server.start()
        engine.write_buffer.snapshot()
    with Engine(**options(server, tmp_path)) as engine:
        assert rows(engine, "SELECT n FROM away") == [{"n": 2}]
        assert rows(engine, "SELECT n FROM home") == [{"n": 1}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bucket": "gone"}, "cannot use bucket 'gone' of http://127.0.0.1:.*there is no such bucket"),
        ({"aws_endpoint": "http://127.0.0.1:1"}, "cannot use bucket 'weather' of http://127.0.0.1:1: "),
    ],
)
def test_a_bucket_that_cannot_be_used_is_told_at_the_start(
    server: Any, tmp_path: Path, change: dict[str, str], told: str
) -> None:
    """The error names bucket, address and what the store said; no secret is in it."""
    with pytest.raises(StorageError, match=told) as refused:
        Engine(**options(server, tmp_path) | change)
    assert "secret'" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"data_dir": None}, "object_store 's3' needs data_dir"),
        ({"bucket": None}, "object_store 's3' needs bucket"),
        ({"aws_secret_access_key": None}, "belong together: give both or none"),
        ({"aws_endpoint": "127.0.0.1:9000"}, "expected https://HOST"),
        ({"aws_allow_http": None}, "set aws_allow_http to allow that"),
        (
            {"aws_secret_access_key": 5},
            "option aws_secret_access_key cannot be what it is: expected text",
        ),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, given: dict[str, object], told: str) -> None:
    """Each is refused with what is missing; a secret's value is not in the text."""
    call: dict[str, object] = {
        "object_store": "s3",
        "data_dir": tmp_path,
        "bucket": BUCKET,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_endpoint": "http://127.0.0.1:9000",
        "aws_allow_http": True,
    }
    with pytest.raises(ConfigError, match=told):
        load_config(call | given)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Neither the record of the options nor that of the bucket shows them."""
    config = load_config(
        {
            "object_store": "s3",
            "data_dir": tmp_path,
            "bucket": BUCKET,
            "aws_access_key_id": "key",
            "aws_secret_access_key": "s3cr3t",
            "aws_session_token": "t0k3n",
        }
    ).config
    assert "s3cr3t" not in repr(config)
    assert "t0k3n" not in repr(config)


def test_the_card_of_the_options_shows_no_secret() -> None:
    """It tells that there is one."""
    option = OPTIONS["aws_secret_access_key"]
    assert shown_value(option, "s3cr3t") == "set, and not shown"
    assert shown_value(option, None) == "unset"


def test_names_beside_the_bucket_are_synced(tmp_path: Path) -> None:
    """The file index stays on this machine, and its name is as durable as without a bucket."""
    files = JournallingFiles({tmp_path / "kept": b""})
    store = Bucket(
        BucketOptions(
            bucket=BUCKET,
            region="us-east-1",
        ),
        tmp_path,
        "prefix",
    )
    write_durably(BucketFiles(files, store), tmp_path / "index", b"new")
    assert files.crashed(Crash.LOST).read(tmp_path / "index") == b"new"
