"""The commands against procengine's own server say and do what they do in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import InvalidInputError
from procengine.remote import RefusedByServerError
from tests.remote.conftest import Run

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("rows", len(table_batches), args)


def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.write(LineBuilder("tick").int64_field("n", 1))
"""


def test_databases_and_tables(run: Run, engine: Engine) -> None:
    """They are created, kept for a time, listed, deleted and restored."""
    assert run("create database --retention-period 7d d") == 'Database "d" created successfully'
    run("create table -d d --tags a --fields x:float64 --retention-period 1h t")
    assert engine.catalog.database("d").tables["t"].retention_period_ns == 3_600_000_000_000
    run("update table -d d --retention-period none t")
    assert engine.catalog.database("d").tables["t"].retention_period_ns is None
    assert run("update database -d d -r 36h") == 'Database "d" updated successfully'
    shown = json.loads(run("show retention -d d --format json"))
    assert shown == [{"database_name": "d", "retention_period": "36h"}]
    assert run("show databases --format csv") == "iox::database\n_internal\nd\n"
    run("delete table -d d t")
    assert run("restore table -d d t") == 'Table "d"."t" restored successfully'
    run("delete database d")
    assert '"deleted":true' in run("show databases --show-deleted --format json")
    run("restore database d")
    assert list(engine.catalog.database("d").tables) == ["t"]


def test_data_goes_in_and_out(run: Run, tmp_path: Path) -> None:
    """Rows written compressed in pieces come back in each format, streamed into a file too."""
    lines = b"".join(b"m f=%d %d\n" % (number, number + 1) for number in range(2000))
    run("write -d d --gzip --max-request-size 1000 -p ns", stdin=lines)
    assert json.loads(run("q -d d --format json 'SELECT count(*) AS n FROM m'")) == [{"n": 2000}]
    run("query -d d --format csv -o out.csv 'SELECT f FROM m ORDER BY time'")
    found = (tmp_path / "out.csv").read_text().split()
    assert found == ["f", *(f"{number}.0" for number in range(2000))]
    with pytest.raises(RefusedByServerError, match=r"\[400 Bad Request\]"):
        run("write -d d 'm f='")


def test_caches_and_system_tables(run: Run) -> None:
    """Caches come and go; system tables are shown, and those that are not are named."""
    run("write -d d 'm,a=1 f=1'")
    assert run("create last_cache -d d -t m c").startswith("new cache created: {")
    assert run("create distinct_cache -d d -t m --columns a e").startswith("new cache created: {")
    assert "| c " in run("show system -d d table last_caches --select name")
    assert run("delete last_cache -d d -t m c") == "last cache deleted successfully"
    assert run("delete distinct_cache -d d -t m e") == "distinct cache deleted successfully"
    assert "last_caches" in run("show system -d d table-list")
    assert "queries summary:" in run("show system -d d summary")
    with pytest.raises(InvalidInputError, match=r"system table 'gone' not found: .*last_caches"):
        run("show system -d d table gone")


def test_triggers_and_plugins(run: Run, engine: Engine, tmp_path: Path) -> None:
    """A plugin is uploaded, tried, run by a trigger, and given another text."""
    (tmp_path / "p.py").write_text(PLUGIN)
    run("create database d")
    run("create trigger -d d --path p.py --upload --trigger-spec all_tables --disabled x")
    assert "p.py" in run("show plugins --format csv")
    tried = json.loads(run("test wal_plugin -d d --lp 'm f=1' --input-arguments a=1 p.py"))
    assert "INFO: rows 1 {'a': '1'}" in tried["log_lines"]
    tried = json.loads(run("test schedule_plugin -d d --schedule '0 0 6 * * *' p.py"))
    assert tried["database_writes"] == {"d": ["tick n=1i"]}
    run("enable trigger -d d x")
    assert not engine.triggers.get("d", "x").disabled
    (tmp_path / "p.py").write_text(f"# new\n{PLUGIN}")
    assert run("update trigger -d d -t x -p p.py --disabled") == "Trigger 'x' updated successfully"
    assert (tmp_path / "plugins" / "p.py").read_text().startswith("# new")
    assert engine.triggers.get("d", "x").disabled
    assert run("delete trigger -d d x") == "Trigger x deleted successfully"


def test_tokens(run: Run) -> None:
    """A named token admits until it is deleted; the operator's is there already."""
    made = json.loads(run("create token --admin --name ci --expiry 1d --format json"))["token"]
    assert run(f"show databases --token {made} --format csv") == "iox::database\n_internal\n"
    assert "| ci " in run("show tokens")
    assert run("delete token --token-name ci") == 'Token "ci" deleted successfully'
    with pytest.raises(RefusedByServerError, match=r"\[401 Unauthorized\]"):
        run(f"show databases --token {made}")
    with pytest.raises(RefusedByServerError, match=r"\[409 Conflict\]"):
        run("create token --admin")


def test_packages(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked to be installed gets to the installer, and what it says comes back."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "none.txt").write_text("# nothing\n")
    assert run(f"install package -r {tmp_path / 'none.txt'}") == ""
    with pytest.raises(RefusedByServerError, match=r"(?s)error installing python packages: .*tiny_gone"):
        run("install package tiny_gone")
