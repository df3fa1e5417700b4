"""What the catalog holds, creates, deletes and refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from procengine.catalog import Catalog, HardDeletion, Limits
from procengine.clock import VirtualClock
from procengine.errors import (
    AlreadyDeletedError,
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    InvalidNameError,
    LimitExceededError,
    ProcengineError,
    StoppedError,
    TableNotFoundError,
    TriggerBusyError,
    TriggerNotFoundError,
)
from procengine.model.catalog_event import (
    CatalogEvent,
    ColumnsAdded,
    DatabaseCreated,
    DatabaseDeleted,
    TableCreated,
    TableDeleted,
    TriggerCreated,
    TriggerDeleted,
    TriggerDisabledChanged,
    TriggerReplaced,
)
from procengine.model.column import Column, ColumnType
from procengine.model.trigger import ErrorBehavior, Trigger

HOUR_NS = 3600 * 1_000_000_000
NOW_NS = 1_735_689_600_000_000_000  # 2025-01-01T00:00:00Z
HOST = Column("host", ColumnType.TAG)
USAGE = Column("usage", ColumnType.FLOAT)
COUNT = Column("count", ColumnType.INTEGER)


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    one = Catalog(None, clock=VirtualClock(NOW_NS))
    one.start()
    yield one
    one.close()


def trigger(name: str = "t", database: str = "home", **changes: object) -> Trigger:
    fields: dict[str, object] = {"plugin_filename": "p.py", "spec": "table:cpu"}
    return Trigger(database=database, name=name, **(fields | changes))  # type: ignore[arg-type]


def text_of(kind: type[ProcengineError], call: object, *args: object, **options: object) -> str:
    with pytest.raises(kind) as raised:
        call(*args, **options)  # type: ignore[operator]
    return str(raised.value)


def test_catalog_starts_with_its_internal_database(catalog: Catalog) -> None:
    """`_internal` exists from the first start and keeps its rows for seven days."""
    assert [one.name for one in catalog.databases] == ["_internal"]
    assert catalog.database("_internal").retention_period_ns == 7 * 24 * HOUR_NS


def test_catalog_has_identities(catalog: Catalog) -> None:
    """The instance id is made at the first start; the node id is the configured one, where there is one."""
    other = Catalog(None, clock=VirtualClock(), node_id="laptop")
    other.start()
    assert len(catalog.instance_id) == 36
    assert catalog.node_id == f"node-{catalog.instance_id[:8]}"
    assert other.node_id == "laptop"


def test_databases_are_created_once(catalog: Catalog) -> None:
    """§8: creating a database that exists is a conflict (409) with the original's text."""
    assert catalog.create_database("home").name == "home"
    assert catalog.database("home") is catalog.find_database("home")
    assert text_of(AlreadyExistsError, catalog.create_database, "home") == (
        "attempted to create a resource that already exists"
    )


def test_databases_need_a_good_name(catalog: Catalog) -> None:
    """§11: names are checked when a database is created, by either door."""
    text = "db name did not start with a number or letter"
    assert text_of(InvalidNameError, catalog.create_database, "_x") == text
    assert text_of(InvalidNameError, catalog.evolve, "_x", {}) == text
    assert catalog.evolve("_x", {}, from_plugin=True).name == "_x"


def test_missing_database_is_not_found(catalog: Catalog) -> None:
    """Asking for a database that does not exist raises, finding it gives None."""
    assert catalog.find_database("nope") is None
    assert text_of(DatabaseNotFoundError, catalog.database, "nope") == "database not found: nope"


def test_create_table_creates_its_database(catalog: Catalog) -> None:
    """A table's database is created with it, in one commit; columns keep the order tags, fields."""
    before = catalog.sequence_number
    table = catalog.create_table("home", "cpu", tags=["host"], fields=[USAGE])
    assert table.schema.columns == (HOST, USAGE)
    assert catalog.database("home").tables == {"cpu": table}
    assert catalog.sequence_number == before + 1


@pytest.mark.parametrize(
    ("tags", "fields", "text"),
    [
        (["time"], [], "'time' is a reserved column"),
        ([], [Column("__chunk_order", ColumnType.INTEGER)], "'__chunk_order' is a reserved column"),
        ([""], [], "column name cannot be empty"),
        (
            ["a"],
            [Column("a", ColumnType.FLOAT)],
            (
                "invalid column type for column 'a', expected iox::column_type::tag, "
                "got iox::column_type::field::float"
            ),
        ),
    ],
)
def test_create_table_refuses_columns(
    catalog: Catalog, tags: list[str], fields: list[Column], text: str
) -> None:
    """§11: reserved and clashing columns are refused with the original's texts, and nothing is created."""
    assert (
        text_of(InvalidInputError, catalog.create_table, "home", "cpu", tags=tags, fields=fields) == text
    )
    assert catalog.find_database("home") is None


def test_create_table_refuses_one_that_exists(catalog: Catalog) -> None:
    """A table is created once."""
    catalog.create_table("home", "cpu", fields=[USAGE])
    assert "already exists" in text_of(AlreadyExistsError, catalog.create_table, "home", "cpu")


def test_evolve_commits_once_and_only_when_something_is_new(catalog: Catalog) -> None:
    """Database, tables and columns come in one commit; what exists is passed over without one."""
    before = catalog.sequence_number
    catalog.evolve("home", {"cpu": [HOST, USAGE], "mem": [USAGE]})
    assert catalog.sequence_number == before + 1
    same = catalog.evolve("home", {"cpu": [USAGE], "mem": [USAGE]})
    assert catalog.sequence_number == before + 1
    assert same is catalog.database("home")
    grown = catalog.evolve("home", {"cpu": [COUNT, HOST]})
    assert grown.tables["cpu"].schema.columns == (HOST, USAGE, COUNT)


def test_evolve_refuses_another_type_and_changes_nothing(catalog: Catalog) -> None:
    """§11: a column's first type is kept; the whole evolution is refused."""
    catalog.evolve("home", {"cpu": [HOST, USAGE]})
    state = catalog.state
    wrong = {"new": [USAGE], "cpu": [Column("usage", ColumnType.STRING)]}
    assert text_of(InvalidInputError, catalog.evolve, "home", wrong) == (
        "invalid column type for column 'usage', expected iox::column_type::field::float, "
        "got iox::column_type::field::string"
    )
    assert catalog.state is state


def test_limits_are_kept() -> None:
    """§11: the limits' texts are the original's, with our numbers."""
    catalog = Catalog(
        None, clock=VirtualClock(), limits=Limits(databases=1, tables=2, columns_per_table=2)
    )
    catalog.start()
    catalog.evolve("home", {"cpu": [HOST, USAGE]})
    assert text_of(LimitExceededError, catalog.create_database, "other") == (
        "Adding a new database would exceed limit of 1 databases"
    )
    assert text_of(LimitExceededError, catalog.evolve, "home", {"cpu": [COUNT]}) == (
        "Update to schema would exceed number of columns per table limit of 2 columns"
    )
    catalog.evolve("home", {"mem": [HOST]})
    assert text_of(LimitExceededError, catalog.evolve, "home", {"disk": [USAGE]}) == (
        "Update to schema would exceed number of tables limit: "
        "attempted to create table but already have 2 table(s) (limit: 2)"
    )


def test_deleted_things_do_not_count_towards_limits() -> None:
    """§11: deleted databases and tables make room for others, and `_internal` takes none."""
    catalog = Catalog(None, clock=VirtualClock(), limits=Limits(databases=1, tables=1))
    catalog.start()
    catalog.evolve("home", {"cpu": [USAGE]})
    catalog.delete_table("home", "cpu")
    catalog.evolve("home", {"mem": [USAGE]})
    catalog.delete_database("home")
    catalog.evolve("other", {"cpu": [USAGE]})
    catalog.evolve("_internal", {"runs": [USAGE]})
    assert [one.name for one in catalog.databases] == ["_internal", "other"]


def test_default_limits_are_those_of_enterprise() -> None:
    """§11: 100 databases, 10,000 tables, 500 columns."""
    limits = Limits()
    assert (limits.databases, limits.tables, limits.columns_per_table) == (100, 10_000, 500)


def test_deleted_database_is_renamed_and_hidden(catalog: Catalog) -> None:
    """A deleted database keeps its data for 72 hours under a stamped name; its own name is free again."""
    catalog.evolve("home", {"cpu": [USAGE]})
    table_id = catalog.database("home").tables["cpu"].id
    deleted = catalog.delete_database("home")
    assert (deleted.name, deleted.deleted) == ("home-20250101T000000", True)
    assert deleted.hard_deletion_time_ns == NOW_NS + 72 * HOUR_NS
    assert catalog.find_database("home") is None
    found = catalog.table_by_id(table_id)
    assert found is not None
    assert found[0] is deleted
    assert (found[1].name, found[1].deleted) == ("cpu-20250101T000000", True)
    assert found[1].hard_deletion_time_ns == NOW_NS + 72 * HOUR_NS
    assert catalog.evolve("home", {"cpu": [COUNT]}).tables["cpu"].id != table_id


def test_deleted_names_are_told_apart(catalog: Catalog) -> None:
    """Two things of one name, deleted within one second, bear different names."""
    catalog.create_database("home")
    first = catalog.delete_database("home")
    catalog.create_database("home")
    second = catalog.delete_database("home")
    assert second.name == f"{first.name}-{second.id}"


@pytest.mark.parametrize(
    ("hard_deletion", "expected_ns"),
    [(HardDeletion.NEVER, None), (HardDeletion.NOW, NOW_NS), (NOW_NS + 5, NOW_NS + 5)],
)
def test_hard_deletion_time_can_be_chosen(
    catalog: Catalog, hard_deletion: HardDeletion | int, expected_ns: int | None
) -> None:
    """§8: hard_delete_at may be never, now, or an instant."""
    catalog.create_table("home", "cpu", fields=[USAGE])
    assert catalog.delete_table("home", "cpu", hard_deletion).hard_deletion_time_ns == expected_ns
    assert catalog.delete_database("home", hard_deletion).hard_deletion_time_ns == expected_ns


def test_deleted_database_can_be_given_another_time(catalog: Catalog) -> None:
    """Deleting what is deleted changes its time, or is a conflict (409) when nothing would change."""
    catalog.create_database("home")
    name = catalog.delete_database("home").name
    assert text_of(AlreadyDeletedError, catalog.delete_database, name) == (
        f"attempted to modify resource that was already deleted: {name}"
    )
    again = catalog.delete_database(name, HardDeletion.NEVER)
    assert (again.name, again.hard_deletion_time_ns) == (name, None)


def test_write_to_a_deleted_database_is_refused(catalog: Catalog) -> None:
    """§11: the name that a deleted database bears cannot be written to."""
    catalog.create_database("home")
    name = catalog.delete_database("home").name
    text = f"cannot write to soft-deleted database '{name}' - it is marked for deletion"
    assert text_of(InvalidInputError, catalog.find_writable_database, name) == text
    assert text_of(InvalidInputError, catalog.evolve, name, {}) == text
    assert text_of(InvalidInputError, catalog.create_table, name, "cpu") == text
    assert catalog.find_writable_database("home") is None


def test_deleting_what_is_missing_is_not_found(catalog: Catalog) -> None:
    """§8: 404 for a database or table that does not exist."""
    text_of(DatabaseNotFoundError, catalog.delete_database, "home")
    text_of(DatabaseNotFoundError, catalog.delete_table, "home", "cpu")
    catalog.create_database("home")
    assert text_of(TableNotFoundError, catalog.delete_table, "home", "cpu") == (
        "table not found: cpu in database home"
    )


def test_internal_database_is_protected(catalog: Catalog) -> None:
    """§1: `_internal` is not deleted, and takes no trigger."""
    assert (
        text_of(InvalidInputError, catalog.delete_database, "_internal") == "cannot delete internal db"
    )
    text = "cannot modify internal db"
    assert text_of(InvalidInputError, catalog.create_trigger, trigger(database="_internal")) == text
    assert text_of(InvalidInputError, catalog.delete_table, "_internal", "cpu") == text


def test_triggers_are_created_enabled_disabled_and_deleted(catalog: Catalog) -> None:
    """§1: a trigger's life; enabling and disabling are idempotent and commit only what changes."""
    catalog.create_database("home")
    created = catalog.create_trigger(trigger(arguments={"k": "v"}, error_behavior=ErrorBehavior.RETRY))
    assert created.trigger_id == 1
    assert catalog.database("home").triggers == {"t": created}
    before = catalog.sequence_number
    assert catalog.set_trigger_disabled("home", "t", False) is created
    assert catalog.sequence_number == before
    assert catalog.set_trigger_disabled("home", "t", True).disabled
    assert catalog.delete_trigger("home", "t").trigger_id == 1
    assert catalog.database("home").triggers == {}


def test_replaced_trigger_keeps_its_id(catalog: Catalog) -> None:
    """A trigger can get another definition in one commit, under its name and id; the same one is no change."""
    catalog.create_database("home")
    created = catalog.create_trigger(trigger())
    seen: list[CatalogEvent] = []
    catalog.subscribe(seen.append)
    assert catalog.replace_trigger(trigger()) is created
    replaced = catalog.replace_trigger(trigger(spec="every:1s", disabled=True))
    assert (replaced.spec, replaced.disabled, replaced.trigger_id) == ("every:1s", True, 1)
    assert catalog.database("home").triggers == {"t": replaced}
    assert seen == [TriggerReplaced(database_id=catalog.database("home").id, trigger=replaced)]
    text_of(TriggerNotFoundError, catalog.replace_trigger, trigger("other"))


def test_enabled_trigger_is_deleted_only_by_force(catalog: Catalog) -> None:
    """§1: deleting an enabled trigger needs force; the text is the original's."""
    catalog.create_database("home")
    catalog.create_trigger(trigger())
    assert text_of(TriggerBusyError, catalog.delete_trigger, "home", "t") == (
        "Cannot delete running plugin t. Disable it first or use --force."
    )
    assert catalog.delete_trigger("home", "t", force=True).name == "t"


def test_trigger_names_are_unique_in_their_database(catalog: Catalog) -> None:
    """§1: a second trigger of the same name conflicts (409), in another database it does not."""
    catalog.create_database("home")
    catalog.create_database("work")
    catalog.create_trigger(trigger())
    assert text_of(AlreadyExistsError, catalog.create_trigger, trigger()) == (
        "attempted to create a resource that already exists"
    )
    assert catalog.create_trigger(trigger(database="work")).trigger_id == 2
    text_of(InvalidNameError, catalog.create_trigger, trigger(name=""))


def test_missing_trigger_is_not_found(catalog: Catalog) -> None:
    """§1: 404 for a trigger, or its database, that does not exist."""
    text_of(DatabaseNotFoundError, catalog.create_trigger, trigger())
    catalog.create_database("home")
    for call in (
        lambda: catalog.set_trigger_disabled("home", "x", True),
        lambda: catalog.delete_trigger("home", "x"),
    ):
        assert text_of(TriggerNotFoundError, call) == "trigger not found: x in database home"


def test_deleting_a_database_disables_its_triggers(catalog: Catalog) -> None:
    """§1: database delete stops its triggers, and they stay disabled."""
    catalog.create_database("home")
    catalog.create_trigger(trigger())
    deleted = catalog.delete_database("home")
    assert deleted.triggers["t"].disabled
    text_of(AlreadyDeletedError, catalog.create_trigger, trigger("u", database=deleted.name))


def test_ids_are_never_used_again(catalog: Catalog) -> None:
    """Databases, tables and triggers that replace deleted ones have other ids."""
    ids = []
    for _ in range(3):
        database = catalog.evolve("home", {"cpu": [USAGE]})
        ids.append(
            (database.id, database.tables["cpu"].id, catalog.create_trigger(trigger()).trigger_id)
        )
        catalog.delete_trigger("home", "t", force=True)
        catalog.delete_table("home", "cpu")
        catalog.delete_database("home")
    assert all(len(set(column)) == 3 for column in zip(*ids, strict=True))


def test_events_tell_what_happened(catalog: Catalog) -> None:
    """Each commit's events are delivered in order, when the change is visible, on the committing thread."""
    seen: list[tuple[CatalogEvent, int, threading.Thread]] = []
    catalog.subscribe(
        lambda event: seen.append((event, catalog.sequence_number, threading.current_thread()))
    )
    catalog.evolve("home", {"cpu": [USAGE]})
    catalog.evolve("home", {"cpu": [COUNT]})
    catalog.create_trigger(trigger())
    catalog.set_trigger_disabled("home", "t", True)
    catalog.delete_trigger("home", "t")
    catalog.delete_table("home", "cpu")
    catalog.delete_database("home")
    assert [type(event) for event, _, _ in seen] == [
        DatabaseCreated,
        TableCreated,
        ColumnsAdded,
        TriggerCreated,
        TriggerDisabledChanged,
        TriggerDeleted,
        TableDeleted,
        DatabaseDeleted,
    ]
    assert [number for _, number, _ in seen] == [2, 2, 3, 4, 5, 6, 7, 8]
    assert {thread for _, _, thread in seen} == {threading.current_thread()}


def test_subscriber_may_commit_and_fail(catalog: Catalog, caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber is called outside the lock; its error is logged and spoils neither commit nor others."""
    seen: list[CatalogEvent] = []

    def follow(event: CatalogEvent) -> None:
        if isinstance(event, DatabaseCreated) and event.database == "home":
            catalog.create_database("follower")
        raise ValueError("no good")

    catalog.subscribe(follow)
    unsubscribe = catalog.subscribe(seen.append)
    catalog.create_database("home")
    assert catalog.find_database("follower") is not None
    assert len(seen) == 2
    assert "catalog subscriber failed: event=DatabaseCreated" in caplog.text
    unsubscribe()
    catalog.create_database("work")
    assert len(seen) == 2


def test_snapshots_do_not_change(catalog: Catalog) -> None:
    """What was read stays as it was; the maps cannot be written to."""
    before = catalog.evolve("home", {"cpu": [USAGE]})
    catalog.evolve("home", {"cpu": [COUNT], "mem": [USAGE]})
    assert list(before.tables) == ["cpu"]
    assert before.tables["cpu"].schema.columns == (USAGE,)
    with pytest.raises(TypeError):
        before.tables["x"] = before.tables["cpu"]  # type: ignore[index]


def test_concurrent_evolution_loses_nothing(catalog: Catalog) -> None:
    """Threads that add columns to one table at once all succeed, each column once."""
    barrier = threading.Barrier(8)

    def evolve(number: int) -> None:
        barrier.wait()
        for step in range(20):
            catalog.evolve("home", {"cpu": [Column(f"c{(number + step) % 24}", ColumnType.FLOAT)]})

    threads = [threading.Thread(target=evolve, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [column.name for column in catalog.database("home").tables["cpu"].schema.columns]
    assert sorted(names) == sorted(f"c{number}" for number in range(24))
    assert len(catalog.databases) == 2


def test_changes_need_a_started_catalog(catalog: Catalog) -> None:
    """Once closed, the catalog still answers and refuses every change."""
    catalog.create_database("home")
    catalog.close()
    catalog.close()
    assert catalog.database("home").name == "home"
    text_of(StoppedError, catalog.create_database, "work")
