"""A server for models that are in this process, and for trouble with servers.

Put before a scripted backend it stands in for a real server; put before a `VllmServer` it is a proxy that makes the
faults happen on the wire.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from medenv.agents.backends import Backend, Reply, Request
from medenv.agents.backends.scripted import Attempts, FaultKind, Faults
from medenv.consultation.views import Message
from medenv.errors import BackendError, MissingExtraError

try:
    from aiohttp import web
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'serve' for a server, got {missing}; pip install 'medenv-rl[serve]'"
    ) from None

__all__ = ["serve_backend"]

MODEL = "served"
LARGEST_BODY = 32 * 2**20
STATUS = {"rate limit": 429, "server error": 500, "unreachable": 502, "garbled": 502, "timeout": 504}
"""What a backend's own failures become; those that do not pass become 400."""


@asynccontextmanager
async def serve_backend(backend: Backend, *, faults: Faults | None = None, port: int = 0) -> AsyncIterator[str]:
    """Serves a backend as OpenAI's chat completions on this machine, for as long as the context lasts.

    Args:
        backend: What answers.
        faults: Which calls go wrong on the wire; None for none.
        port: 0 takes a free one.

    Yields:
        The URL, without `/v1`.
    """
    served = _Served(backend, faults)
    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes(
        [
            web.get("/health", served.health),
            web.get("/v1/models", served.models),
            web.post("/v1/chat/completions", served.complete),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        host, bound = runner.addresses[0][:2]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()


class _Served:
    def __init__(self, backend: Backend, faults: Faults | None) -> None:
        self._backend = backend
        self._faults = faults
        self._attempts = Attempts(faults)

    async def health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "medenv"}]})

    async def complete(self, http: web.Request) -> web.StreamResponse:
        try:
            request = _request(await http.json())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return _error(400, f"expected a chat completion request, got {type(error).__name__}: {error}")
        fault = self._attempts.start(request)
        if fault is not None and fault != "latency":
            return await self._go_wrong(http, fault)
        if fault is not None and self._faults is not None:
            await asyncio.sleep(self._faults.latency)
        try:
            reply = await self._backend.complete(request)
        except BackendError as error:
            return _error(STATUS.get(error.kind, 400), str(error), error.wait)
        if fault is not None:
            self._attempts.finish(request)
        return web.json_response(_answer(reply))

    async def _go_wrong(self, http: web.Request, fault: FaultKind) -> web.StreamResponse:
        if fault == "rate limit":
            return _error(429, "too many requests (on purpose)", self._faults.wait if self._faults else 0.0)
        if fault == "server error":
            return _error(500, "internal error (on purpose)")
        if fault == "garbage":
            return web.Response(text="<html>\x00\ufffd} this is no JSON {", content_type="application/json")
        if fault == "truncated":
            body = json.dumps(_answer(Reply("This breaks off"))).encode()
            response = web.StreamResponse(
                headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
            )
            await response.prepare(http)
            await response.write(body[: len(body) // 2])
        else:
            response = web.StreamResponse()
        if http.transport is not None:
            http.transport.close()
        return response


def _request(body: Any) -> Request:
    stop = body.get("stop") or ()
    form = body.get("response_format") or {}
    return Request(
        messages=tuple(_message(**message) for message in body["messages"]),
        seed=body.get("seed", 0),
        max_tokens=body.get("max_tokens", 256),
        temperature=body.get("temperature", 0.7),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else None,
    )


def _message(role: Any, content: Any, **_: Any) -> Message:
    if not isinstance(content, str):
        raise TypeError(f"the content of a message has to be a string, got {type(content).__name__}")
    return Message(role, content)


def _answer(reply: Reply) -> dict[str, Any]:
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": reply.finish}
        ],
        "usage": {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "total_tokens": reply.prompt_tokens + reply.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        },
    }


def _error(status: int, message: str, wait: float = 0.0) -> web.Response:
    headers = {"Retry-After": f"{wait:g}"} if wait else {}
    return web.json_response({"error": {"message": message, "code": status}}, status=status, headers=headers)
