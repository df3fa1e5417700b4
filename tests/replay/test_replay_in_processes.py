"""A replay gives the same in each process, whatever the seed of its hashes is and wherever its objects stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.replay import in_a_process

ROOT = Path(__file__).parents[2]


def replayed_with(folder: Path, hash_seed: int) -> Any:
    """Return what the replay prints in a process with a hash seed."""
    done = subprocess.run(
        [sys.executable, "-m", in_a_process.__name__, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_replay_is_the_same_in_another_process(tmp_path: Path) -> None:
    """Same rows, state and logs, of aggregates, caches and system tables, and of objects without a ``repr``."""
    first, second = (replayed_with(tmp_path, seed) for seed in (1, 2))
    assert first["errors"] == 0
    assert {"house.home", "house.seen"} == set(first["rows"])
    assert {"box", "rooms"} == set(first["state"])
    assert first["columns"]
    assert len(first["logs"]) > 3 * len(in_a_process.QUERIES)
    assert first == second
