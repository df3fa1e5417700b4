"""The file of options: which lines are named, what is passed over, and what a system package's file does."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine import Engine
from procengine.command_line import MISUSE, main
from procengine.config import OPTIONS, Origin, load_config
from procengine.config_file import PASSED_OVER
from procengine.errors import ConfigError, PluginsDisabledError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of options that is yet to be written."""
    return tmp_path / "influxdb3.conf"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('\nplugin-dirs = "p"', "unknown key plugin-dirs in {file}, line 2; did you mean 'plugin-dir'?"),
        ('plugin_dirs = "p"', "unknown key plugin_dirs in {file}, line 1; did you mean 'plugin_dir'?"),
        ("[serve]\nnode-id = 'a'", "unknown key serve in {file}, line 1 (accepted: "),
        ("# a\n\nserve.node-id = 'a'", "unknown key serve in {file}, line 3 (accepted: "),
        (
            '"wal-flush" = 1',
            "unknown key wal-flush in {file}, line 1; did you mean 'wal-flush-interval'?",
        ),
        (
            "without-auth = 'perhaps'",
            "option without_auth (from without-auth in {file}, line 1) cannot be",
        ),
        ("\n\nplugin-dir = 5", "(from plugin-dir in {file}, line 3) cannot be 5: expected the path"),
        (
            'plugin-dir = ""',
            "(from plugin-dir in {file}, line 1) cannot be '': an empty string does not",
        ),
        (
            "node-id = 'a'\nnode_id = 'b'",
            "node_id in {file}, line 2 is there before, as node-id in {file}",
        ),
        ("node-id = ?", "configuration file {file} is not TOML: Invalid value (at line 1, column"),
        (
            "node-id = 'a'\nnode-id = 'b'",
            "configuration file {file} is not TOML: Cannot overwrite a value (at",
        ),
    ],
)
def test_a_line_that_cannot_be_is_named(file: Path, text: str, told: str) -> None:
    """File, line, why, and what is accepted, the nearest name first."""
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config(file=file)
    assert told.format(file=repr(str(file))) in str(refused.value)


def test_options_of_influxdb_that_are_none_here_are_passed_over(file: Path) -> None:
    """A server's own file can be used; what it does not do here is told."""
    file.write_text('node-id = "n1"\nlicense-email = "a@b.c"\nlog-filter = "info"\n')
    loaded = load_config(file=file)
    assert loaded.config.node_id == "n1"
    assert loaded.passed_over == ("license-email", "log-filter")
    assert not PASSED_OVER & {name.replace("_", "-") for name in OPTIONS}


@pytest.mark.parametrize(
    ("key", "value", "option"),
    [
        ("wal-files-per-snapshot", 7, "wal_snapshot_size"),
        ("query-log-max-entries", 8, "query_log_size"),
        ("num-datafusion-threads", 2, "datafusion_num_threads"),
    ],
)
def test_later_names_are_read(file: Path, key: str, value: int, option: str) -> None:
    """Options that InfluxDB 3.11 or its launcher name otherwise are the same options."""
    file.write_text(f"{key} = {value}\n")
    loaded = load_config(file=file)
    assert getattr(loaded.config, option) == value
    assert loaded.origins[option] is Origin.FILE


def test_serve_reads_the_file_of_a_system_package(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``serve`` takes it where it exists, and ``--config`` in its place."""
    monkeypatch.setattr("procengine.serve_command.SYSTEM_CONFIG_FILE", file)
    other = file.with_name("other.toml")
    for path in (file, other):
        path.write_text("http-bind = 5\n")
    assert main(["serve"]) == MISUSE
    assert f"http-bind in {str(file)!r}, line 1" in capsys.readouterr().err
    assert main(["serve", "--config", str(other)]) == MISUSE
    assert f"http-bind in {str(other)!r}, line 1" in capsys.readouterr().err


def test_a_variable_to_unset_is_gone_before_anything_reads_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line sees none of the variables that ``INFLUXDB3_UNSET_VARS`` names, a client's among them."""
    monkeypatch.setenv("INFLUXDB3_HTTP_BIND_ADDR", "nonsense")
    assert main(["serve"]) == MISUSE
    assert "INFLUXDB3_HTTP_BIND_ADDR" in capsys.readouterr().err
    monkeypatch.setenv("INFLUXDB3_UNSET_VARS", "INFLUXDB3_HTTP_BIND_ADDR,INFLUXDB3_HOST_URL")
    monkeypatch.setenv("INFLUXDB3_HOST_URL", "nonsense")
    assert main(["serve", "--gen1-duration", "2m"]) == MISUSE
    assert "INFLUXDB3_HTTP_BIND_ADDR" not in capsys.readouterr().err
    main(["show", "databases"])
    assert "nonsense" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "deployment", ["container", "system package", "library, or a server without options"]
)
def test_deployments(deployment: str, tmp_path: Path, file: Path) -> None:
    """A container has its plugin directory by variable, a system package by file; without either it is off.

    The container drops the variable by INFLUXDB3_UNSET_VARS, the package by a comment; the folder may stay.
    """
    folder = tmp_path / "plugins"
    folder.mkdir()
    variable = {"INFLUXDB3_PLUGIN_DIR": str(folder)}
    on, off = {
        "container": (
            {"environ": variable},
            {"environ": variable | {"INFLUXDB3_UNSET_VARS": "INFLUXDB3_PLUGIN_DIR"}},
        ),
        "system package": ({"environ": {}, "config_file": file}, {"environ": {}, "config_file": file}),
        "library, or a server without options": ({"environ": {}, "plugin_dir": folder}, {"environ": {}}),
    }[deployment]
    file.write_text(f'plugin-dir="{folder}"\n')
    with Engine(**on, mode="query") as engine:  # type: ignore[arg-type]
        assert engine.plugins.folder == folder
        assert engine.config.mode == ("query", "process")
    file.write_text(f'# plugin-dir="{folder}"\n')
    with Engine(**off, mode="query") as engine:  # type: ignore[arg-type]
        assert engine.config.mode == ("query",)
        with pytest.raises(PluginsDisabledError, match=r"^No plugin directory configured$"):
            _ = engine.triggers
