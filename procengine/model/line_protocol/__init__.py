"""What rows does a body of line protocol hold?"""

from procengine.model.line_protocol.general_reader import read_general
from procengine.model.line_protocol.reading import ReadingSizes, read_lines

__all__ = ["ReadingSizes", "read_general", "read_lines"]
