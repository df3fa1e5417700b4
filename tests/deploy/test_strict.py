"""A deployment makes the requests that InfluxDB 3 understands, in an order that can be undone."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import pytest

from procengine.deploy import Change, DeployFailedError, Kind, Records, deploy, plan_text
from procengine.errors import InvalidInputError, StorageError
from procengine.remote import RefusedByServerError
from tests.deploy.conftest import TEXT, Deployer
from tests.deploy.strict_server import Json, StrictServer

PATH = "/api/v3/configure"
TRIGGER = f"{PATH}/processing_engine_trigger"


def asked(deployer: Deployer) -> list[str]:
    """Return the changing requests, as text."""
    return [str(one) for one in deployer.server.changes()]


def test_a_plan_changes_nothing(deployer: Deployer) -> None:
    """What is there is asked by requests that change nothing and run no plugin."""
    plan = deployer.plan()
    assert deployer.server.changes() == []
    assert [str(one) for one in deployer.server.asked] == [
        "GET /ping",
        f"GET {PATH}/database?format=json&show_deleted=false",
        "POST /api/v3/plugin_test/wal",
        "POST /api/v3/query_sql",
        "POST /api/v3/query_sql",
    ]
    assert [(item.kind.value, item.name, item.change.value) for item in plan.items] == [
        ("database", "house", "new"),
        ("table", "house/home", "new"),
        ("file", "hot.py", "new"),
        ("last cache", "house/home/rooms", "new"),
        ("distinct cache", "house/home/names", "new"),
        ("trigger", "house/hot_rooms", "new"),
        ("trigger", "house/tick", "new"),
    ]


def test_a_plan_shows_no_secret(deployer: Deployer) -> None:
    """Arguments whose names look like secrets are printed without their values, the equivalent commands too."""
    shown = plan_text(deployer.plan())
    assert "s3cret" not in shown
    assert (
        "influxdb3 create trigger --database house --path hot.py --upload --trigger-spec table:home "
        "--trigger-arguments 'api_token=***' hot_rooms"
    ) in shown
    assert "influxdb3 create table --database house --tags room" in shown
    assert "doctor: hot.py: with error behavior retry" in shown


def test_a_new_plugin_is_tried_before_its_triggers_are_made(deployer: Deployer) -> None:
    """The exact requests, in order; the bodies have all fields, and no query string."""
    done = deployer.deploy()
    assert asked(deployer) == [
        f"POST {PATH}/database",
        f"POST {PATH}/table",
        f"POST {PATH}/last_cache",
        f"POST {PATH}/distinct_cache",
        "POST /api/v3/plugins/files?db=house",
        "POST /api/v3/plugin_test/wal",
        "POST /api/v3/plugin_test/schedule",
        f"POST {TRIGGER}",
        f"POST {TRIGGER}",
    ]
    bodies = [one.body for one in deployer.server.changes()]
    assert bodies[0] == {"db": "house", "retention_period": None}
    assert bodies[4] == {"plugin_name": "hot.py", "content": TEXT}
    assert bodies[5] == {
        "filename": "hot.py",
        "database": "house",
        "input_lp": 'home,room=Attic temp=24.5,n=3i,ok=t,name="a" 1000000000000000000',
        "cache_name": "procengine_staged",
        "input_arguments": {"api_token": "s3cret"},
    }
    assert bodies[8] == {
        "db": "house",
        "plugin_filename": "hot.py",
        "trigger_name": "tick",
        "trigger_settings": {"run_async": False, "error_behavior": "retry"},
        "trigger_specification": "every:3600s",
        "trigger_arguments": None,
        "disabled": False,
    }
    assert [(one.trigger, one.passed) for one in done.tried] == [("hot_rooms", True), ("tick", True)]


def test_the_same_again_does_nothing(deployer: Deployer) -> None:
    """A second deployment finds all the same."""
    deployer.deploy()
    before = len(deployer.server.changes())
    plan = deployer.plan()
    assert plan.is_empty, plan_text(plan)
    assert deployer.deploy().steps == ()
    assert len(deployer.server.changes()) == before


def test_a_changed_text_is_tried_beside_the_live_one(deployer: Deployer) -> None:
    """What triggers run is replaced after its successor ran; triggers that are the same stay."""
    deployer.deploy()
    count = len(deployer.server.changes())
    path = deployer.engine.plugins.folder / "hot.py"
    path.write_text(TEXT + "# more\n")
    assert deployer.plan().changes(*Kind) == {"hot.py": Change.CHANGED}
    deployer.deploy()
    assert [str(one) for one in deployer.server.changes()[count:]] == [
        "POST /api/v3/plugins/files?db=house",
        "POST /api/v3/plugin_test/wal",
        "POST /api/v3/plugin_test/schedule",
        "POST /api/v3/plugins/files?db=house",
    ]
    names = [(one.body or {}).get("plugin_name") for one in deployer.server.changes()[count:]]
    assert names == ["procengine_staged/hot.py", None, None, "hot.py"]
    assert deployer.plan().is_empty


def test_changed_triggers_and_caches_are_deleted_and_created(deployer: Deployer) -> None:
    """There is no request that changes one; one that is only disabled is switched."""
    deployer.deploy()
    count = len(deployer.server.changes())
    engine = deployer.engine
    engine.triggers.delete("house", "hot_rooms", force=True)
    engine.triggers.create("house", "hot_rooms", "hot.py", "table:home", run_async=True)
    engine.triggers.disable("house", "tick")
    engine.catalog.delete_last_cache("house", "home", "rooms")
    engine.catalog.create_last_cache("house", "home", name="rooms", key_columns=["room"], count=3)
    plan = deployer.plan()
    assert "hot_rooms: changed (run_async, argument api_token; deleted and created)" in plan_text(plan)
    deployer.deploy()
    assert [str(one) for one in deployer.server.changes()[count:]] == [
        "POST /api/v3/plugin_test/wal",
        "POST /api/v3/plugin_test/schedule",
        f"DELETE {PATH}/last_cache",
        f"POST {PATH}/last_cache",
        f"DELETE {TRIGGER}",
        f"POST {TRIGGER}",
        f"POST {TRIGGER}/disable?db=house&trigger_name=tick",
    ]
    assert deployer.server.triggers["house", "tick"]["disabled"]
    assert deployer.plan().is_empty


def test_a_failing_plugin_leaves_what_is_live_untouched(deployer: Deployer) -> None:
    """A dry run that raises ends the deployment before anything that triggers use is touched."""
    deployer.deploy()
    before = deployer.server.snapshot()
    path = deployer.engine.plugins.folder / "hot.py"
    path.write_text(TEXT.replace("    influxdb3_local.info", "    raise ValueError('broken')\n    #", 1))
    with pytest.raises(DeployFailedError) as failed:
        deployer.deploy()
    assert (
        "deployment failed at: the dry run of 'hot_rooms' on the server: error executing plugin: ValueError: broken"
        in str(failed.value)
    )
    assert failed.value.left == (
        "file procengine_staged/hot.py, sent to be tried, stays and is used by nothing",
    )
    after = deployer.server.snapshot()
    after["files"].pop("procengine_staged/hot.py")
    assert after == before


def test_a_logged_error_rolls_back(deployer: Deployer) -> None:
    """What a new trigger logs as an error is found, and the triggers and caches are as before."""
    deployer.server.log_on_create = "error running plugin"
    with pytest.raises(
        DeployFailedError, match="has logged an error since: error running plugin"
    ) as failed:
        deployer.deploy()
    assert (deployer.server.triggers, deployer.server.caches) == ({}, {})
    assert failed.value.left == (
        "database house was created and stays",
        "table house/home was created and stays",
        "file hot.py is new and stays: no request deletes one",
    )


def test_a_package_that_failed_silently_is_found(deployer: Deployer) -> None:
    """A failed installation answers 200; the plugin's import fails in the dry run, and the packages are named."""
    deployer.server.uninstallable = frozenset({"numpy"})
    (deployer.engine.plugins.folder / "hot.py").write_text(f"import numpy\n{TEXT}")
    with pytest.raises(DeployFailedError, match="No module named 'numpy'") as failed:
        deployer.deploy("numpy")
    assert "packages numpy may be installed; nothing removes them" in failed.value.left
    deployer.server.uninstallable = frozenset()
    deployer.deploy("numpy")
    assert deployer.server.installed == ["numpy"]
    assert deployer.plan("numpy").is_empty


def test_disabled_packages_are_told(deployer: Deployer) -> None:
    """The server's refusal is the reason, and nothing that runs was made."""
    deployer.server.packages_disabled = True
    with pytest.raises(DeployFailedError, match="Package installation has been disabled"):
        deployer.deploy("numpy")
    assert deployer.server.triggers == {}


def test_a_wrong_token_is_told_before_anything(deployer: Deployer) -> None:
    """The first request is refused."""
    with pytest.raises(RefusedByServerError, match="401"):
        deployer.plan(token="apiv3_other")
    assert len(deployer.server.asked) == 1


def test_no_plugin_directory_is_a_problem_of_the_plan(deployer: Deployer) -> None:
    """A server that runs no plugins is found by the plan, and nothing is done."""
    deployer.server.has_plugin_dir = False
    plan = deployer.plan()
    assert "--plugin-dir" in plan.problems[0]
    with pytest.raises(InvalidInputError, match="the server runs no plugins"):
        deployer.deploy()
    assert deployer.server.changes() == []


def test_conflicting_columns_are_a_problem(deployer: Deployer) -> None:
    """A column of another type on the server is named, before anything is done."""
    deployer.server.databases["house"] = {"home": {"room": "Dictionary(Int32, Utf8)", "temp": "Utf8"}}
    assert deployer.plan().problems == (
        "table 'house/home': column 'temp' is Utf8 on the server, float here",
    )


def test_a_foreign_text_is_replaced_with_a_warning(deployer: Deployer) -> None:
    """A file that is there and was not sent from here has no known text, which is said before and after."""
    deployer.server.files["hot.py"] = ("# other\n", 1)
    assert "hot.py: replaced" in plan_text(deployer.plan())
    deployer.server.log_on_create = "no"
    with pytest.raises(DeployFailedError) as failed:
        deployer.deploy()
    assert "file hot.py has, or may have, the new text: the former is not known" in failed.value.left


def test_records_outlive_the_process(deployer: Deployer, tmp_path: Path) -> None:
    """What was sent is known to the next process that reads the folder; arguments are not in the file."""
    deployer.records = Records(tmp_path)
    deployer.deploy()
    deployer.records = Records(tmp_path)
    assert deployer.plan().is_empty
    assert "s3cret" not in (tmp_path / "deployments" / "servers.json").read_text()


def test_a_record_that_is_none_is_refused(tmp_path: Path) -> None:
    """A damaged file is named, with what to do about it."""
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "servers.json").write_text('{"format": 9}')
    with pytest.raises(StorageError, match=r"format 9.*move it away"):
        Records(tmp_path)


@pytest.mark.parametrize("does_before_dying", [False, True], ids=["not done", "done, not answered"])
@pytest.mark.parametrize("dies_for_good", [False, True], ids=["once", "for good"])
def test_a_server_that_dies_half_way(
    deployer: Deployer, *, dies_for_good: bool, does_before_dying: bool
) -> None:
    """Whichever request is not answered: the server is as before, as asked, or what is left is named."""
    deployer.deploy()
    engine, server = deployer.engine, deployer.server
    (engine.plugins.folder / "hot.py").write_text(TEXT + "# more\n")
    engine.triggers.delete("house", "hot_rooms", force=True)
    engine.triggers.create("house", "hot_rooms", "hot.py", "table:home", arguments={"limit": "1"})
    engine.triggers.disable("house", "tick")
    engine.catalog.delete_distinct_cache("house", "home", "names")
    engine.catalog.create_distinct_cache(
        "house", "home", name="names", columns=["room"], max_cardinality=9
    )
    before = server.snapshot()
    kept = copy.deepcopy(
        {name: getattr(server, name) for name in ("databases", "triggers", "caches", "files")}
    )
    record = deployer.records.of(server.url)
    server.dies_for_good, server.does_before_dying = dies_for_good, does_before_dying
    outcomes = set()
    for number in itertools.count():
        for name, value in copy.deepcopy(kept).items():
            setattr(server, name, value)
        deployer.records.keep(server.url, record)
        server.die_at = None
        plan = deployer.plan()
        server.asked.clear()
        server.die_at = number
        try:
            deploy(deployer.remote(), plan, deployer.records)
        except DeployFailedError as error:
            outcomes.add(_judge(server, before, error))
        else:
            break
    server.die_at = None
    assert deployer.plan().is_empty
    assert outcomes == ({"gone"} if dies_for_good else {"as before"})


def _judge(server: StrictServer, before: Json, error: DeployFailedError) -> str:
    """Return whether a server is as before, but for what the error names."""
    if any(each.startswith("the server could not be asked") for each in error.left):
        names = [each.partition(": ")[2] for each in error.left[:-1]]
        assert len(names) == len([one for one in server.changes() if "plugin_test" not in one.path])
        return "gone"
    after = server.snapshot()
    staged = after["files"].pop("procengine_staged/hot.py", None)
    assert after == before, error
    assert [each for each in error.left if "procengine_staged" not in each] == []
    assert staged is None or len(error.left) == 1
    return "as before"


NODES = [
    {"node_id": "in-1", "mode": ["ingest"], "state": "running"},
    {"node_id": "in-2", "mode": ["ingest"], "state": "running"},
    {"node_id": "proc", "mode": ["process", "query"], "state": "running"},
    {"node_id": "old", "mode": ["query"], "state": "stopped"},
]


def test_a_cluster_gets_triggers_where_they_belong(deployer: Deployer) -> None:
    """Writes go to all nodes that ingest, schedules to one that processes and queries; stopped nodes do not count."""
    deployer.server.build = "Enterprise"
    deployer.server.nodes = NODES
    notes = plan_text(deployer.plan())
    assert "'tick' will run once on each node at each time; --node-spec auto puts it on one" in notes
    deployer.deploy(node_spec="auto")
    specs = {name: one["node_spec"] for (_, name), one in deployer.server.triggers.items()}
    assert specs == {"hot_rooms": {"nodes": ["in-1", "in-2"]}, "tick": {"nodes": ["proc"]}}
    assert deployer.plan(node_spec="auto").is_empty
    assert deployer.plan().changes(Kind.TRIGGER) == {
        "house/hot_rooms": Change.CHANGED,
        "house/tick": Change.CHANGED,
    }


def test_a_cluster_refuses_unknown_nodes(deployer: Deployer) -> None:
    """A node that the cluster does not have is named, with those that it has, before anything is done."""
    deployer.server.build = "Enterprise"
    deployer.server.nodes = NODES
    plan = deployer.plan(node_spec="nodes:old")
    assert plan.problems[0] == (
        "'hot_rooms' is for node 'old', which the cluster does not have; there are: in-1, in-2, proc"
    )
    notes = deployer.plan(node_spec="nodes:in-1").notes
    assert "'hot_rooms' will not see what is written to in-2" in notes
    assert "'tick' is for node 'in-1', which has no mode process and query" in notes


def test_a_folder_that_imports_its_own_files_is_not_called_broken(deployer: Deployer) -> None:
    """A dry run sees a folder's ``__init__.py`` alone: that it cannot import its siblings says nothing of it."""
    engine = deployer.engine
    folder = engine.plugins.folder / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"from . import words\n{TEXT}")
    (folder / "words.py").write_text("HELLO = 1\n")
    (folder / "table.json").write_text("{}")
    (folder / "README.md").write_text("for people\n")
    (folder / "requirements.txt").write_text("numpy  # for means\n")
    engine.triggers.create("house", "packed", "pack", "table:home")
    deployer.name = "pack"
    done = deployer.deploy()
    assert [(one.trigger, one.passed) for one in done.tried] == [("packed", None)]
    assert deployer.server.installed == ["numpy"]
    count = len(deployer.server.changes())
    (folder / "words.py").write_text("HELLO = 2\n")
    deployer.deploy()
    last = deployer.server.changes()[-1]
    assert str(last) == "PUT /api/v3/plugins/directory?db=house"
    assert last.body == {
        "plugin_name": "packed",
        "files": [
            {"relative_path": "__init__.py", "content": f"from . import words\n{TEXT}"},
            {"relative_path": "words.py", "content": "HELLO = 2\n"},
            {"relative_path": "table.json", "content": "{}"},
        ],
    }
    assert len(deployer.server.changes()) == count + 5
    assert deployer.plan().is_empty


def test_a_table_of_another_plugin_stays(deployer: Deployer) -> None:
    """Caches of tables that neither a trigger watches nor the text names are not the plugin's."""
    deployer.engine.write("house", "other,room=Attic x=1")
    deployer.engine.catalog.create_last_cache("house", "other", name="others", key_columns=["room"])
    assert "other" not in plan_text(deployer.plan())


def test_a_cache_of_a_missing_column_is_a_problem(deployer: Deployer) -> None:
    """A column that the table there does not have cannot be made by a request, which is said."""
    deployer.server.databases["house"] = {"home": {"temp": "Float64"}}
    assert deployer.plan().problems[0] == (
        "the cache 'house/home/rooms' needs column 'room', which the table on the server does not have; columns come "
        "with written rows alone"
    )


def test_a_file_of_the_same_name_elsewhere_is_another(deployer: Deployer) -> None:
    """A plugin ``old/hot.py`` on the server is not taken for ``hot.py``."""
    deployer.deploy()
    server = deployer.server
    server.files["old/hot.py"] = ("# other\n", 99)
    other = server.triggers["house", "tick"] | {"trigger_name": "other", "plugin_filename": "old/hot.py"}
    server.triggers["house", "other"] = other
    assert deployer.plan().is_empty
