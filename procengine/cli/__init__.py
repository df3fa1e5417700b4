"""What does a line of the `influxdb3` command line do?

`words` splits a line as a shell does, `grammar` holds what may be said, `parser` reads words
against it, and `execution` carries out what was said on an engine in this process.
"""
