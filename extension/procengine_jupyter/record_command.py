"""What does ``%record`` do?"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine.replay import Recorder
from procengine.replay.recording_file import SUFFIX
from procengine_jupyter.render.replay_card import RecordingCard

if TYPE_CHECKING:
    from procengine_jupyter.session import Session


def record(session: Session, said: Namespace) -> RecordingCard:
    """Start or stop a recording, or show how far it is; return its card.

    Raises:
        UsageError: there is no recording, or one already.
        ProcengineError: the database or the file cannot be had.
    """
    engine = session.engine
    under_way = next((one for one in engine.services if isinstance(one, Recorder)), None)
    if said.action == "start":
        if said.name is None or said.database is None:
            raise UsageError(
                "a recording needs the name of its file, and a database: %record start NAME --database DB"
            )
        if under_way is not None:
            raise UsageError(
                f"{under_way.path.name} is being recorded; one at a time: %record stop ends it"
            )
        name = said.name if said.name.endswith(SUFFIX) else f"{said.name}{SUFFIX}"
        under_way = Recorder(engine, said.database, session.folder / name)
        under_way.start()
        return RecordingCard(under_way.recorded, is_going_on=True)
    if said.name is not None or said.database is not None:
        raise UsageError(f"%record {said.action} takes no name: one recording goes on at a time")
    if under_way is None:
        raise UsageError("nothing is being recorded; %record start NAME --database DB begins")
    if said.action == "stop":
        under_way.stop()
        return RecordingCard(under_way.recorded, is_going_on=False)
    return RecordingCard(under_way.recorded, is_going_on=True)
