"""Options: their sources, their order, and what each refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.config import OPTIONS, EngineConfig, Origin, load_config, memory_bytes, without_unset
from procengine.errors import ConfigError


def test_config_defaults_have_no_plugin_part() -> None:
    """Without a plugin directory the plugin part is off and the mode has no process."""
    config = load_config().config
    assert not config.plugins_enabled
    assert config.mode == ("all",)


def test_config_order_of_sources(tmp_path: Path) -> None:
    """Call beats %config beats environment beats file beats default, and each origin is told."""
    file = tmp_path / "conf.toml"
    file.write_text(
        'node-id = "file"\nwal-flush-interval = "4s"\nquery-log-size = 4\ngen1-duration = "1m"\n'
    )
    loaded = load_config(
        {"node_id": "call"},
        settings={"node_id": "settings", "wal_flush_interval": "2s"},
        environ={
            "INFLUXDB3_NODE_ID": "environment",
            "INFLUXDB3_WAL_FLUSH_INTERVAL": "3s",
            "INFLUXDB3_QUERY_LOG_SIZE": "3",
        },
        file=file,
    )
    config = loaded.config
    assert (config.node_id, config.wal_flush_interval, config.query_log_size, config.gen1_duration) == (
        "call",
        2.0,
        3,
        60.0,
    )
    assert [loaded.origins[name] for name in ("node_id", "wal_flush_interval", "query_log_size")] == [
        Origin.CALL,
        Origin.SETTINGS,
        Origin.ENVIRONMENT,
    ]
    assert loaded.origins["gen1_duration"] is Origin.FILE
    assert loaded.origins["mode"] is Origin.DEFAULT
    assert loaded.places["query_log_size"] == "INFLUXDB3_QUERY_LOG_SIZE"


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ({"call": {"plugin_dir": ""}}, "leave the option out"),
        ({"environ": {"INFLUXDB3_PLUGIN_DIR": ""}}, "unset the variable INFLUXDB3_PLUGIN_DIR"),
    ],
)
def test_config_empty_plugin_dir_is_refused(source: dict[str, dict[str, str]], remedy: str) -> None:
    """An empty string does not disable the plugin part: it is an error that says what to do."""
    with pytest.raises(ConfigError, match=remedy):
        load_config(**source)


def test_config_empty_plugin_dir_in_file_is_refused(tmp_path: Path) -> None:
    """In a file the remedy is to remove or comment out the line."""
    file = tmp_path / "conf.toml"
    file.write_text('plugin-dir = ""\n')
    with pytest.raises(ConfigError, match="remove or comment out the line"):
        load_config(file=file)


def test_config_unset_variables_are_not_seen(tmp_path: Path) -> None:
    """INFLUXDB3_UNSET_VARS hides the variables that it names, before anything reads them."""
    environ = {
        "INFLUXDB3_PLUGIN_DIR": str(tmp_path),
        "INFLUXDB3_NODE_ID": "kept",
        "INFLUXDB3_UNSET_VARS": "INFLUXDB3_PLUGIN_DIR, INFLUXDB3_LOG_LEVEL",
    }
    config = load_config(environ=environ).config
    assert config.plugin_dir is None
    assert config.node_id == "kept"
    assert "INFLUXDB3_PLUGIN_DIR" not in without_unset(environ)


def test_config_an_existing_folder_turns_nothing_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder called plugins beside the process does not enable the plugin part."""
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not load_config().config.plugins_enabled


def test_config_plugin_dir_adds_process_mode(tmp_path: Path) -> None:
    """Configuring a plugin directory adds process to a mode that lacks it."""
    assert load_config({"plugin_dir": tmp_path, "mode": "ingest,query"}).config.mode == (
        "ingest",
        "query",
        "process",
    )
    assert load_config({"plugin_dir": tmp_path}).config.mode == ("all",)


def test_config_process_mode_needs_plugin_dir() -> None:
    """Mode process without a plugin directory is refused."""
    with pytest.raises(ConfigError, match="mode 'process' needs plugin_dir"):
        load_config({"mode": ["process"]})


def test_config_data_dir_means_object_store_file(tmp_path: Path) -> None:
    """A data folder makes file the object store; file without a folder is refused; memory stays memory."""
    assert load_config({"data_dir": tmp_path}).config.object_store == "file"
    assert load_config({"data_dir": tmp_path, "object_store": "memory"}).config.object_store == "memory"
    with pytest.raises(ConfigError, match="object_store 'file' needs data_dir"):
        load_config({"object_store": "file"})


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("wal_flush_interval", "soon", "expected a duration such as '10ms' or '1s'"),
        ("wal_flush_interval", -1, "between 0 and one year"),
        ("wal_flush_interval", True, "expected a duration"),
        ("gen1_duration", "7m", "expected one of 1m, 5m, 10m"),
        ("object_store", "s4", "expected one of memory, file"),
        ("mode", "all,sleep", "expected one of all, ingest, query, process, compact"),
        ("query_log_size", "many", "expected a whole number"),
        ("query_log_size", 0, "at least 1"),
        ("exec_mem_pool_bytes", "120%", "a percentage such as '20%'"),
        ("restrict_plugin_triggers_to", "cron", "expected one of wal, schedule, request"),
        ("node_id", "", "not empty"),
    ],
)
def test_config_bad_value_names_what_is_accepted(name: str, value: object, accepted: str) -> None:
    """A value that cannot be is refused with the option's name, the value and what is accepted."""
    with pytest.raises(ConfigError, match=accepted) as caught:
        load_config({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_config_bad_variable_is_named() -> None:
    """A bad value from the environment names its variable."""
    with pytest.raises(ConfigError, match="from INFLUXDB3_GEN1_DURATION"):
        load_config(environ={"INFLUXDB3_GEN1_DURATION": "7m"})


def test_config_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    """An unknown key of the file is refused with the nearest known one."""
    file = tmp_path / "conf.toml"
    file.write_text('plugin-dirs = "plugins"\n')
    with pytest.raises(ConfigError, match="did you mean 'plugin-dir'"):
        load_config(file=file)


def test_config_unreadable_file(tmp_path: Path) -> None:
    """A file that is missing or no TOML is an error that names it."""
    with pytest.raises(ConfigError, match="cannot read configuration file"):
        load_config(file=tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("plugin-dir = \n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(file=broken)


def test_config_sizes() -> None:
    """A size is a number of bytes or a share of the machine's memory."""
    assert memory_bytes("20%", 1000) == 200
    assert memory_bytes("4096", 1000) == 4096


def test_config_every_field_is_an_option() -> None:
    """Each field of the record says how it is read and what it is."""
    assert set(OPTIONS) == set(EngineConfig.__dataclass_fields__)
    assert all(option.help and option.variables for option in OPTIONS.values())
