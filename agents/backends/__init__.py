"""Backends: where language models run, by id.

`ScriptedBackend` has no id, for it needs its replies.
"""

from __future__ import annotations

from collections.abc import Callable

from medenv.registry import Registry

from .chat import Backend, Reply, Request

__all__ = ["Backend", "Reply", "Request", "backends"]

backends: Registry[Callable[[], Backend]] = Registry("backend")
"""What makes a backend with its settings taken from the environment."""

backends.register("vllm-server", "medenv.agents.backends.vllm_server:VllmServer")
backends.register("transformers", "medenv.agents.backends.transformers:TransformersBackend")
