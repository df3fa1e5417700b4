"""The notes say where a plugin would behave differently on a server."""

from __future__ import annotations

import pytest

from procengine.model.portability import Note, NoteCode, portability_notes
from tests import readme

WRITE = """
seen = {{}}

def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            {statement}
"""

SCHEDULE = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    {statement}
"""

NOTED = [
    (NoteCode.MODULE_STATE, WRITE, "seen[row.get('host')] = 1", ()),
    (NoteCode.MODULE_STATE, WRITE, "seen.update(row)", ()),
    (NoteCode.MISSING_KEY, WRITE, "influxdb3_local.info(row['temp'])", ()),
    (NoteCode.MISSING_KEY, WRITE, "influxdb3_local.info(row['temp'], row.get('hum'), 'a' in row)", ()),
    (NoteCode.MISSING_KEY, WRITE, "influxdb3_local.info(row['temp'], batch.get('temp'))", ()),
    (NoteCode.SELF_FEEDING, WRITE, "influxdb3_local.write(LineBuilder('home'))", ("table:home",)),
    (NoteCode.SELF_FEEDING, WRITE, "influxdb3_local.write(LineBuilder('other'))", ("all_tables",)),
    (NoteCode.FIRST_ONLY, WRITE, "first = table_batches[0]", ()),
    (NoteCode.FIRST_ONLY, WRITE, "last = batch['rows'][-1]", ()),
    (NoteCode.QUERY_PARAMETER, SCHEDULE, "influxdb3_local.query('q', {'limit': 90})", ()),
    (NoteCode.QUERY_PARAMETER, SCHEDULE, "influxdb3_local.query('q', args={'limit': -1.5})", ()),
    (NoteCode.QUERY_PARAMETER, SCHEDULE, "influxdb3_local.query('q', {'limit': int('9')})", ()),
    (
        NoteCode.TEXT_COMPARISON,
        SCHEDULE,
        "influxdb3_local.query('SELECT * FROM t WHERE v > $v', {})",
        (),
    ),
    (
        NoteCode.TEXT_COMPARISON,
        SCHEDULE,
        "influxdb3_local.query('SELECT * FROM t WHERE h.v <=$v', {})",
        (),
    ),
    (NoteCode.TEXT_COMPARISON, SCHEDULE, "influxdb3_local.query('... v between $a and $b', {})", ()),
    (NoteCode.DATE_PART, SCHEDULE, "influxdb3_local.query('SELECT date_part(1, time) FROM t')", ()),
    (
        NoteCode.DATE_PART,
        SCHEDULE,
        "influxdb3_local.query('SELECT v FROM t WHERE v IN (SELECT extract(hour FROM time) FROM t)')",
        (),
    ),
    (
        NoteCode.DATE_PART,
        SCHEDULE,
        "influxdb3_local.query('SELECT date_part(1, time) AS d FROM t WHERE date_part(1, time) = 2')",
        (),
    ),
    (NoteCode.CALL_TIME_ZONE, SCHEDULE, "at = call_time.replace(tzinfo=None)", ()),
    (NoteCode.PRINT, SCHEDULE, "print('here')", ()),
    (NoteCode.VOLATILE_CACHE, SCHEDULE, "influxdb3_local.cache.put('k', 1)", ()),
]

SILENT = [
    (WRITE, "seen = {}; seen['own'] = row.get('host')", ()),
    (WRITE, "influxdb3_local.info(row['time'], row.get('temp'))", ()),
    (WRITE, "influxdb3_local.write(LineBuilder('other'))", ("table:home",)),
    (SCHEDULE, "influxdb3_local.query('q', {'limit': str(90), 'host': call_time})", ()),
    (SCHEDULE, "influxdb3_local.query('SELECT v FROM t WHERE v > CAST($v AS DOUBLE)', {})", ()),
    (SCHEDULE, "influxdb3_local.query('SELECT v FROM t WHERE v > $v::double AND r = $r', {})", ()),
    (SCHEDULE, "influxdb3_local.query('... WHERE time >= $a AND t.\"time\" < $b', {})", ()),
    (SCHEDULE, "influxdb3_local.query('SELECT CAST(date_part(1, time) AS BIGINT) FROM t')", ()),
    (WRITE, "influxdb3_local.info(row['temp'] if row.get('temp') is not None else 0)", ()),
    (WRITE, "influxdb3_local.info(row['temp'] if 'temp' in row else 0)", ()),
    (WRITE, "if 'temp' not in row: continue\n            influxdb3_local.info(row['temp'])", ()),
    (SCHEDULE, "influxdb3_local.query('SELECT v FROM t WHERE date_part(1, time) = 2')", ()),
    (
        SCHEDULE,
        "influxdb3_local.query('SELECT max(v) AS v FROM t GROUP BY date_part(1, time) ORDER BY extract(a)')",
        (),
    ),
    (SCHEDULE, "influxdb3_local.info(call_time.isoformat())", ()),
]


def codes(notes: tuple[Note, ...]) -> set[NoteCode]:
    return {note.code for note in notes}


@pytest.mark.parametrize(("code", "frame", "statement", "specs"), NOTED)
def test_trap_is_noted_at_its_line(
    code: NoteCode, frame: str, statement: str, specs: tuple[str, ...]
) -> None:
    """Each trap is noted, with the line that springs it (design, section 4)."""
    source = frame.format(statement=statement)

    notes = [note for note in portability_notes(source, specs=specs) if note.code is code]

    assert [source.splitlines()[(note.line_number or 0) - 1].strip() for note in notes] == [statement]


@pytest.mark.parametrize(("frame", "statement", "specs"), SILENT)
def test_portable_code_has_no_note(frame: str, statement: str, specs: tuple[str, ...]) -> None:
    """Code that behaves alike on a server is left alone."""
    assert portability_notes(frame.format(statement=statement), specs=specs) == ()


@pytest.mark.parametrize(
    ("spec", "is_noted"),
    [
        ("cron:0 0 6 * * 1-5", True),
        ("cron:0 0 6 * * 1", True),
        ("cron:0 0 6 * * MON-FRI", False),
        ("cron:0 0 6 * * *", False),
        ("cron:0 0 6 * * */2", False),
        ("every:5m", False),
    ],
)
def test_weekday_numbers_are_noted(spec: str, is_noted: bool) -> None:
    """Weekday numbers count from SUN=1, against part of the documentation (semantics, section 1)."""
    source = "def process_scheduled_call(influxdb3_local, call_time, args=None): ..."

    assert codes(portability_notes(source, specs=[spec])) == (
        {NoteCode.CRON_WEEKDAY} if is_noted else set()
    )


def test_folder_plugins_keep_module_state() -> None:
    """A folder is imported once, so its module state is not noted (semantics, section 6)."""
    source = WRITE.format(statement="seen.update(row)")

    assert portability_notes(source, is_single_file=False) == ()


GLOBAL = """
full = False
count = 0

def process_scheduled_call(influxdb3_local, call_time, args=None):
    global full, count
    {statement}
    use()

def use():
    return full
"""


@pytest.mark.parametrize(
    ("statement", "is_noted"),
    [
        ("full = (args or {}).get('full') == 'true'", False),
        ("count += 1", True),
        ("count = count + 1", True),
        ("count = None if count else call_time", True),
    ],
)
def test_a_global_that_each_run_sets_anew_is_no_state(statement: str, is_noted: bool) -> None:
    """Rebinding a module-level name is noted where the function reads what an earlier run would have left."""
    notes = portability_notes(GLOBAL.replace("{statement}", statement))

    assert codes(notes) == ({NoteCode.MODULE_STATE} if is_noted else set())


@pytest.mark.parametrize(
    "guard",
    [
        "if batch['table_name'] == 'report': continue",
        "if batch.get('table_name') in ('report', 'log'): continue",
        "name = batch['table_name']\n        if name.startswith('_'): continue",
    ],
)
def test_a_plugin_that_tells_tables_apart_may_watch_all(guard: str) -> None:
    """A plugin on all tables that looks at their names before it writes is not said to feed itself."""
    body = f"for batch in table_batches:\n        {guard}\n        influxdb3_local.write(LineBuilder('report'))"
    source = f"def process_writes(influxdb3_local, table_batches, args=None):\n    {body}\n"

    assert portability_notes(source, specs=["all_tables"]) == ()
    assert codes(portability_notes(source, specs=["table:report"])) == {NoteCode.SELF_FEEDING}


def test_arguments_and_retry_are_noted_without_a_line() -> None:
    """A comma in an argument and endless retry concern the trigger, not a line of the source."""
    notes = portability_notes("", arguments={"hosts": "a,b"}, retries=True)

    assert [(note.code, note.line_number) for note in notes] == [
        (NoteCode.ARGUMENT_COMMA, None),
        (NoteCode.ENDLESS_RETRY, None),
    ]


def test_every_code_has_a_remedy() -> None:
    """A note says what to do."""
    assert all(code.remedy for code in NoteCode)


def test_source_that_does_not_parse_has_no_notes() -> None:
    """A syntax error is reported by compiling, not by notes."""
    assert portability_notes("def (") == ()


def test_portability_codes_stand_in_the_readme() -> None:
    """The README's table has every code with its remedy, and no other."""
    assert readme.table_keys("Portability notes") == [code.value for code in NoteCode]
    section = readme.TEXT.split("## Portability notes\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    for code, row in zip(NoteCode, rows, strict=True):
        assert row.endswith(f"| {code.remedy} |")
