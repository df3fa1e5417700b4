"""What is left of an engine whose process was killed while several threads wrote to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from procengine import Engine
from tests.engine.looks import WAIT_SECONDS, rows

WRITER = """
    import os, sys, threading
    from procengine import Engine

    folder, first, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    engine = Engine(data_dir=folder, environ={}, wal_flush_interval="1ms", wal_snapshot_size=7)

    def write(writer):
        number = first
        while True:
            lines = f"home,writer={writer} n={number}i {number}\\nhome,writer={writer} twin={number}i {number}"
            engine.write("house", f"{lines}\\nother,writer={writer} n={number}i {number}", precision="ns")
            # One system call, so that a line is there whole or not at all.
            os.write(1, f"{writer} {number}\\n".encode())
            number += 1

    def snapshot():
        while True:
            engine.snapshot()

    writers = [threading.Thread(target=write, args=(writer,), daemon=True) for writer in range(4)]
    if kind == "snapshots":
        threading.Thread(target=snapshot, daemon=True).start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
"""


def killed_after(folder: Path, first: int, kind: str, acknowledged: int) -> list[tuple[int, int]]:
    """Run writers in a process that is killed after so many acknowledged writes; return all that were."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), str(first), kind],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    late = threading.Timer(WAIT_SECONDS, process.kill)
    late.start()
    lines = [process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.stdout.close()
    late.cancel()
    assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    assert all(lines), "the process ended by itself"
    return [(int(writer), int(number)) for writer, number in (line.split() for line in lines)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kind", ["log", "snapshots"])
def test_crash_loses_nothing_acknowledged(tmp_path: Path, kind: str) -> None:
    """After each kill every acknowledged row is there once, whole; at most one more of each writer."""
    first = 0
    expected: set[tuple[int, int]] = set()
    for acknowledged in (1, 60, 250):
        written = set(killed_after(tmp_path, first, kind, acknowledged))
        assert len(written) >= acknowledged
        with Engine(data_dir=tmp_path, environ={}) as engine:
            for table, columns in (("home", "n, twin"), ("other", "n, n AS twin")):
                found = rows(engine, f"SELECT writer, {columns} FROM {table}")
                stored = [(int(str(row["writer"])), int(str(row["n"]))) for row in found]
                assert len(stored) == len(set(stored)), "a row is there twice"
                assert all(row["n"] == row["twin"] for row in found), "a write came back in part"
                assert expected | written <= set(stored), "an acknowledged row is lost"
                unanswered = set(stored) - expected - written
                assert len({writer for writer, _ in unanswered}) == len(unanswered) <= 4
            engine.write("house", f"alive,kill={acknowledged} ok=t")
            assert rows(engine, f"SELECT ok FROM alive WHERE kill = '{acknowledged}'") == [{"ok": True}]
        expected = set(stored)
        first = 1 + max(number for _, number in stored)
