"""Run the benchmarks: ``python -m tests.benchmarks [--check] [--only NAME] [--json FILE] [--readme]``.

Prints a table, writes JSON with a description of the machine, and with ``--check`` exits with 1 when a figure is
past its budget. ``--readme`` puts the table of the JSON file into the README, by itself without a run.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import pkgutil
import platform
import sys
from pathlib import Path

import tests.benchmarks
from tests.benchmarks.measurement import Measurement

ROOT = Path(__file__).parent.parent.parent
RESULTS = Path(__file__).parent / "results.json"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def names() -> list[str]:
    """Return the names of the benchmark modules, without their prefix."""
    found = pkgutil.iter_modules(tests.benchmarks.__path__)
    return sorted(each.name.removeprefix("bench_") for each in found if each.name.startswith("bench_"))


def machine() -> dict[str, object]:
    """Describe what the figures were taken on."""
    import datafusion
    import pyarrow as pa

    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "pyarrow": pa.__version__,
        "datafusion": datafusion.__version__,
    }


def shown(value: float, unit: str) -> str:
    """Return a figure with its unit, in three digits or so."""
    if value == int(value):
        return f"{int(value)} {unit}"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def table(measurements: list[Measurement]) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| figure | measured | budget | against | |", "|---|---|---|---|---|"]
    for each in measurements:
        sign = "≥" if each.at_least else "≤"
        verdict = "kept" if each.within_budget else "**missed**"
        budget = f"{sign} {shown(each.budget, each.unit)}"
        rows.append(
            f"| {each.name} | {shown(each.value, each.unit)} | {budget} | {each.baseline} | {verdict} |"
        )
    return "\n".join(rows)


def write_json(path: Path, measurements: list[Measurement]) -> None:
    """Write the figures and the machine's description, replacing those of the same name."""
    known = {}
    if path.exists():
        known = {each["name"]: each for each in json.loads(path.read_text(encoding="utf-8"))["figures"]}
    known |= {each.name: dataclasses.asdict(each) for each in measurements}
    text = json.dumps({"machine": machine(), "figures": list(known.values())}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> list[Measurement]:
    """Return the figures of an earlier run."""
    return [Measurement(**each) for each in json.loads(path.read_text(encoding="utf-8"))["figures"]]


def update_readme(path: Path) -> None:
    """Put the table of a JSON file between the README's marks."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    told = json.loads(path.read_text(encoding="utf-8"))["machine"]
    where = f"{told['system']}, {told['cores']} cores, Python {told['python']}, DataFusion {told['datafusion']}"
    body = f"{BEGIN}\n{table(read_json(path))}\n\nMedians on a shared machine: {where}.\n{END}"
    readme.write_text(before + body + after, encoding="utf-8")


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a budget is missed")
    parser.add_argument(
        "--only", action="append", choices=names(), help="run only this one; may be repeated"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures are written")
    parser.add_argument(
        "--readme", action="store_true", help="put the figures of the JSON file into the README"
    )
    asked = parser.parse_args()
    if asked.readme and not (asked.check or asked.only):
        update_readme(asked.json)
        return 0
    measured: list[Measurement] = []
    for name in asked.only or names():
        print(f"{name} ...", file=sys.stderr, flush=True)
        measured += importlib.import_module(f"tests.benchmarks.bench_{name}").run()
    write_json(asked.json, measured)
    print(table(measured))
    if asked.readme:
        update_readme(asked.json)
    return 1 if asked.check and not all(each.within_budget for each in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
