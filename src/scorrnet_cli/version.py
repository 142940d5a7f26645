"""The version of scorrnet."""

__version__ = "0.1.0"
