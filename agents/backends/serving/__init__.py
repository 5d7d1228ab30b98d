"""Starts vLLM servers and keeps them running. Needs the standard library only; vLLM has a Python of its own."""

from .installation import Installation, find_installation
from .server import Server

__all__ = ["Installation", "Server", "find_installation"]
