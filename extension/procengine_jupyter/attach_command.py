"""What do ``%procengine attach``, ``detach`` and ``tail`` do?"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from procengine.attach.attachment import Attachment
from procengine.attach.tail_options import TailOptions
from procengine.model.duration import SECOND
from procengine_jupyter import grammar
from procengine_jupyter.fire_command import parse_instant
from procengine_jupyter.meant_database import meant_database
from procengine_jupyter.render.attachment_card import AttachmentCard, TailLine, WaitingCard
from procengine_jupyter.under_way import UnderWay

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine_jupyter.session import Session

TOKEN_VARIABLE = "INFLUXDB3_AUTH_TOKEN"


def attach_command(session: Session, action: str, line: str) -> AttachmentCard | None:
    """Do what a line of one of the three says; return the card of the database, None for one that is gone.

    Raises:
        UsageError: the words do not go together.
        ProcengineError: the server or the engine refuses.
    """
    match action:
        case "attach":
            return _attach(session, grammar.attach_parser().read(line))
        case "detach":
            said = grammar.detach_parser().read(line)
            session.engine.detach(said.name)
            sys.stdout.write(f"{said.name} is detached: the name finds the local database from now on\n")
            return None
    return _tail(session.engine, grammar.tail_parser().read(line))


def _attach(session: Session, said: Namespace) -> AttachmentCard:
    engine = session.engine
    if (said.every is not None) and not said.tail:
        raise UsageError("--every says how often a table is looked at; --tail names the tables")
    timeout = {} if said.timeout is None else {"timeout_seconds": said.timeout / SECOND}
    try:
        attachment = engine.attach(
            said.url,
            _token(said.token, session.shell.user_ns),
            said.database,
            read_only=not said.read_write,
            name=said.name,
            tail=said.tail,
            tail_options=None if said.every is None else TailOptions(every_seconds=said.every / SECOND),
            tls_ca=said.tls_ca,
            tls_no_verify=said.tls_no_verify,
            **timeout,
        )
    except KeyboardInterrupt as error:
        raise UsageError("interrupted; nothing is attached") from error
    return attachment_card(engine, attachment)


def _token(said: str | None, variables: Mapping[str, Any]) -> str | None:
    """Return the token that is meant: a variable's, or that of the environment."""
    if said is None:
        return os.environ.get(TOKEN_VARIABLE)
    if not said.startswith("$"):
        sys.stderr.write(
            "the token is in this cell, and will be in the saved notebook; --token $name takes a variable's\n"
        )
        return said
    name = said[1:]
    value = variables.get(name, os.environ.get(name))
    if not isinstance(value, str):
        what = "is no variable" if value is None else f"holds a {type(value).__name__}"
        raise UsageError(f"--token {said}: {name!r} {what}; expected one with a token as text")
    return value


def _tail(engine: Engine, said: Namespace) -> AttachmentCard:
    attachment = _meant(engine, said.database)
    changes = [name for name in ("pause", "resume", "stop") if getattr(said, name)]
    if len(changes) > 1:
        raise UsageError(f"--{changes[0]} and --{changes[1]} do not go together")
    given = [name for name in ("every", "overlap", "since") if getattr(said, name) is not None]
    if changes and given:
        raise UsageError(f"--{given[0]} is for a tail that begins; stop it, and begin anew")
    if not changes:
        attachment.tail(said.table, _tail_options(engine, said))
    elif said.stop:
        attachment.end_tail(said.table)
    else:
        found = next((one for one in attachment.tails if one.table == said.table), None)
        if found is None:
            raise UsageError(f"table {said.table!r} is not followed; %procengine tail TABLE begins")
        found.pause() if said.pause else found.resume()
    return attachment_card(engine, attachment)


def _tail_options(engine: Engine, said: Namespace) -> TailOptions:
    options: dict[str, Any] = {}
    if said.every is not None:
        options["every_seconds"] = said.every / SECOND
    if said.overlap is not None:
        options["overlap_seconds"] = said.overlap / SECOND
    if said.since is not None:
        now_ns = engine.clock.now_ns()
        options["since_ns"] = parse_instant(said.since, now_ns=now_ns, option="--since")
    return TailOptions(**options)


def _meant(engine: Engine, name: str | None) -> Attachment:
    return engine.attachments.get(
        name
        or meant_database(
            [one.name for one in engine.attachments.all()],
            question="of which database",
            known="attached",
            none="no database is attached; %procengine attach URL --database DB attaches one",
        )
    )


def attachment_card(engine: Engine, attachment: Attachment) -> AttachmentCard:
    """Return the card of an attached database, as it is now."""
    scratch = engine.catalog.find_database(attachment.name)
    return AttachmentCard(
        name=attachment.name,
        database=attachment.database,
        url=attachment.url,
        read_only=attachment.read_only,
        queries=attachment.queries,
        failed_queries=attachment.failed_queries,
        last_failure=attachment.last_failure,
        scratch_tables=0 if scratch is None else len(scratch.tables),
        tails=tuple(
            TailLine(
                table=state.table,
                every_ns=tail.options.every_ns,
                rows=state.rows,
                rejected=state.rejected,
                rejection=state.rejection,
                looks=state.looks,
                behind_ns=state.behind_ns,
                paused=state.paused,
                failure=state.failure,
            )
            for tail in attachment.tails
            for state in [tail.state]
        ),
    )


class Waiting(UnderWay):
    """Says below the running cell that a server is waited for. For the main thread."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def __call__(self) -> None:
        """Show how long that is by now."""
        self.show(lambda: WaitingCard(url=self._url, waited_ns=self.elapsed_ns))
