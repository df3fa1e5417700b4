"""What would these plugins have made of that history? Replays of recorded data under a virtual clock."""

from procengine.replay.batching import Batching
from procengine.replay.comparison import Comparison, compare, not_the_same_each_time
from procengine.replay.pace import ReplayState
from procengine.replay.recorder import Recorded, Recorder
from procengine.replay.replay import Replay, ReplayOptions, ReplayProgress, start_replay
from procengine.replay.result import ReplayResult
from procengine.replay.scratch import Selection
from procengine.replay.source import Source, SourceFormat, read_data, read_file, read_query
from procengine.replay.timeline import Range

__all__ = [
    "Batching",
    "Comparison",
    "Range",
    "Recorded",
    "Recorder",
    "Replay",
    "ReplayOptions",
    "ReplayProgress",
    "ReplayResult",
    "ReplayState",
    "Selection",
    "Source",
    "SourceFormat",
    "compare",
    "not_the_same_each_time",
    "read_data",
    "read_file",
    "read_query",
    "start_replay",
]
