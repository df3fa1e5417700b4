"""How do plugins that use chance get the same one in each replay?

The generators that all of a process shares, ``random``'s and numpy's, begin with the replay's seed, and go on
afterwards where they stood. Generators that a plugin makes by itself, without a seed, and ``uuid`` and ``secrets``,
stay as
they are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def seeded_random(seed: int) -> Iterator[None]:
    """Have the shared generators begin with a seed inside the block."""
    plain, of_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(of_numpy)
