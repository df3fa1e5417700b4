"""How does a recording lie in a file?

As records with a checksum each (`procengine.model.framing`). The first is JSON: format, database, and when the
recording began. Each other one begins with a byte that says what it is: ``r`` rows of one flush, as in the
write-ahead log; ``q`` a request and ``t`` a tick, as JSON. A file whose end was cut off by a crash is read up to
there.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from procengine.errors import CorruptFileError, DataFormatError, InvalidInputError
from procengine.model.framing import End, Ending, decode_records, encode_record
from procengine.replay.recorded_steps import RecordedRequest, RecordedStep
from procengine.wal.contents_codec import decode_contents, encode_contents, encode_rows

SUFFIX: Final = ".recording"
FORMAT: Final = 1

ROWS, REQUEST, TICK = b"r", b"q", b"t"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a file holds: the steps of one database, in the order in which they came."""

    database: str
    started_ns: int
    steps: tuple[RecordedStep, ...]


def encode_beginning(database: str, started_ns: int) -> bytes:
    """Return the first record."""
    return encode_record(_json({"format": FORMAT, "database": database, "started_ns": started_ns}))


def encode_step(step: RecordedStep) -> bytes:
    """Return the record of a step."""
    if step.rows:
        contents = encode_contents(0, step.instant_ns, len(step.rows), [encode_rows(step.rows)])
        return encode_record(ROWS + contents)
    if step.request is None:
        return encode_record(TICK + _json({"instant_ns": step.instant_ns, "trigger": step.tick}))
    request = step.request
    said = {
        "instant_ns": step.instant_ns,
        "path": request.path,
        "method": request.method,
        "query_params": dict(request.query_params),
        "headers": dict(request.headers),
        "body": base64.b64encode(request.body).decode(),
    }
    return encode_record(REQUEST + _json(said))


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises:
        InvalidInputError: the file cannot be read, or is no recording.
        DataFormatError: it has a format that is not known.
        CorruptFileError: a record is damaged, though good ones follow.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    records = decode_records(data)
    first = next(records)
    if isinstance(first, End):
        raise InvalidInputError(f"{str(path)!r} is no recording: it does not begin as one")
    beginning = json.loads(bytes(first.payload))
    if beginning["format"] != FORMAT:
        raise DataFormatError(
            f"recording {str(path)!r} has format {beginning['format']!r}; this version reads {FORMAT}"
        )
    steps = []
    for record in records:
        if isinstance(record, End):
            if record.ending is Ending.DAMAGED:
                raise CorruptFileError(
                    f"recording {str(path)!r} is damaged at byte {record.offset}; record anew, or cut it off there",
                    path=str(path),
                    offset=record.offset,
                )
            break
        steps.append(_step(record.payload))
    return Recording(
        database=beginning["database"], started_ns=beginning["started_ns"], steps=tuple(steps)
    )


def _step(payload: memoryview) -> RecordedStep:
    kind, rest = bytes(payload[:1]), payload[1:]
    if kind == ROWS:
        contents = decode_contents(rest)
        return RecordedStep(instant_ns=contents.persisted_ns, rows=contents.rows)
    said = json.loads(bytes(rest))
    if kind == TICK:
        return RecordedStep(instant_ns=said["instant_ns"], tick=said["trigger"])
    request = RecordedRequest(
        path=said["path"],
        method=said["method"],
        query_params=said["query_params"],
        headers=said["headers"],
        body=base64.b64decode(said["body"]),
    )
    return RecordedStep(instant_ns=said["instant_ns"], request=request)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
