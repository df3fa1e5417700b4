"""How does a test call a plugin?

`PluginUnderTest` runs a plugin file or folder, unchanged, in an engine of its own in memory, under a clock that
stands still; each call gives a `PluginRun`. `write_test` makes a test of a run that was.
"""

from procengine.testing.plugin_run import PluginRun
from procengine.testing.plugin_under_test import PluginUnderTest
from procengine.testing.written_test import WrittenTest, write_test

__all__ = ["PluginRun", "PluginUnderTest", "WrittenTest", "write_test"]
