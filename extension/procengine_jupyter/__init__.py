"""The notebook face of procengine."""
