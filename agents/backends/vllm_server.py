"""Models on vLLM servers, or on anything else that speaks OpenAI's chat completions.

With several servers, the replicas, a conversation stays on one of them, which so keeps what it has computed of it.
Replicas that fail are left alone for a while, and their conversations go elsewhere until they are back.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from medenv.errors import BackendError

from .chat import Reply, Request
from .connections import Answer, Connections
from .replicas import Replica, Replicas
from .retries import Retries, time_limit
from .structured import check_fit

__all__ = ["VllmServer"]

LARGEST_SEED = 2**63 - 1
"""Servers keep seeds in 64 bits."""
FIRST_CONTACT = 30.0
"""For how many seconds a server that has never answered is tried."""
SHOWN = 200
"""Characters of a server's message that an error repeats."""


class VllmServer:
    """A model behind `/v1/chat/completions`, on one server or on several that serve the same.

    Args:
        urls: One or several, with `/v1` at the end or without; None reads them from MEDENV_SERVER, separated by commas,
            and takes `http://127.0.0.1:8000` where that is not set.
        model: Its name; None takes MEDENV_MODEL, else the first that the server lists.
        api_key: Sent with every request; None takes MEDENV_API_KEY, else sends none.
        attempt_timeout: How many seconds one attempt may take.
        total_timeout: How many seconds a request may take with its attempts and all waits.
        max_concurrency: The most requests that a replica is given at the same time.
        seed: Of the waits between attempts.

    Raises:
        BackendError: A URL that is none.
    """

    def __init__(
        self,
        urls: str | Sequence[str] | None = None,
        model: str | None = None,
        *,
        api_key: str | None = None,
        attempt_timeout: float = 120.0,
        total_timeout: float = 900.0,
        max_concurrency: int = 256,
        seed: int = 0,
    ) -> None:
        if urls is None:
            urls = os.environ.get("MEDENV_SERVER") or "http://127.0.0.1:8000"
        self.urls = tuple(dict.fromkeys(map(_base, urls.split(",") if isinstance(urls, str) else urls)))
        if not self.urls:
            raise BackendError("expected the URL of a server, got none", "refused")
        self.model = model or os.environ.get("MEDENV_MODEL") or None
        self.id = " ".join(filter(None, ("VllmServer", self.model)))
        """The model, where it was named: its words are the same wherever it is served."""
        self.attempt_timeout = attempt_timeout
        key = (api_key or os.environ.get("MEDENV_API_KEY") or "").strip()
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._replicas = Replicas(self.urls, max_concurrency)
        self._retries = Retries(total_timeout=total_timeout, seed=seed)
        self._connections = Connections()
        self._asking: dict[asyncio.AbstractEventLoop, asyncio.Task[str]] = {}
        self._began: float | None = None
        self._reached = False

    async def complete(self, request: Request) -> Reply:
        """The reply to a request.

        Raises:
            BackendError: No attempt within the time gave one, a server refused the request, or the text does not fit
                its schema.
        """
        reply = await self._retries.call(lambda: self._attempt(request))
        if request.schema is not None:
            check_fit(reply.text, request.schema)
        return reply

    async def aclose(self) -> None:
        """Closes the connections of the running event loop; the next request opens new ones."""
        await self._connections.aclose()

    async def _attempt(self, request: Request) -> Reply:
        while True:
            replica = self._replicas.choose(request.conversation)
            async with replica.limit.permit() as permit:
                # The replica may have failed while this request waited for its turn.
                if not self._replicas.stands(replica):
                    continue
                with replica.attempt():
                    try:
                        answer = await self._ask(replica, request)
                    except BackendError as error:
                        if error.kind == "timeout":
                            permit.overloaded()
                        raise self._absent(error) from None
                    self._reached = True
                    if answer.status in (429, 503):
                        permit.overloaded()
                    else:
                        permit.kept_up()
                    return _reply(answer)

    def _absent(self, error: BackendError) -> BackendError:
        """The error of an attempt; a server that never answered is not waited for as one that did."""
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        if error.kind != "unreachable" or self._reached or now - self._began < FIRST_CONTACT:
            return error
        servers = ", ".join(self.urls)
        return BackendError(f"expected a server at {servers}, got no answer in {now - self._began:.0f} s", "absent")

    async def _ask(self, replica: Replica, request: Request) -> Answer:
        async with time_limit(self.attempt_timeout):
            body = _body(request, self.model or await self._first_model(replica))
            return await self._connections.send("POST", f"{replica.url}/v1/chat/completions", self._headers, body)

    async def _first_model(self, replica: Replica) -> str:
        """The first model that a replica lists; all who want to know it at the same time ask once together."""
        loop = asyncio.get_running_loop()
        task = self._asking.get(loop)
        if task is None:
            task = self._asking[loop] = loop.create_task(self._list(replica))
            task.add_done_callback(lambda done: self._listed(loop, done))
        return await asyncio.shield(task)

    def _listed(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[str]) -> None:
        del self._asking[loop]
        if not task.cancelled() and task.exception() is None:
            self.model = task.result()

    async def _list(self, replica: Replica) -> str:
        async with time_limit(self.attempt_timeout):
            answer = await self._connections.send("GET", f"{replica.url}/v1/models", self._headers)
        match _parsed(answer):
            case {"data": [{"id": str(name)}, *_]}:
                return name
        raise BackendError(f"expected a list of models, got {_shown(answer.body)}", "garbled")


def _base(url: str) -> str:
    base = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(base)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True) and not parts.query
    except ValueError:
        fits = False
    if not fits:
        raise BackendError(f"expected the URL of a server such as http://127.0.0.1:8000, got {url!r}", "refused")
    return base


def _body(request: Request, model: str) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed & LARGEST_SEED,
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.schema is not None:
        schema = {"name": "reply", "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    # Half a surrogate pair cannot be sent, and a policy might well write one.
    return json.dumps(body, ensure_ascii=False, default=dict).encode("utf-8", "replace")


def _reply(answer: Answer) -> Reply:
    """The reply that an answer holds."""
    match _parsed(answer):
        case {
            "choices": [{"message": {"content": str(text)}, "finish_reason": "stop" | "length" as finish}, *_]
        } as body:
            usage = body.get("usage")
            return Reply(
                text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
                finish,
                _count(usage, "prompt_tokens"),
                _count(usage, "completion_tokens"),
                _count(usage.get("prompt_tokens_details") if isinstance(usage, dict) else None, "cached_tokens"),
            )
    raise BackendError(
        f"expected a choice with content and a finish_reason of 'stop' or 'length', got {_shown(answer.body)}",
        "garbled",
    )


def _parsed(answer: Answer) -> Any:
    if answer.status != 200:
        raise _failure(answer)
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise BackendError(f"expected a reply in JSON, got {_shown(answer.body)}", "garbled") from None


def _failure(answer: Answer) -> BackendError:
    status = answer.status
    if status == 429:
        kind = "rate limit"
    elif status == 408:
        kind = "timeout"
    elif status >= 500 or status in (409, 425):
        kind = "server error"
    elif status < 300:
        kind = "garbled"
    else:
        kind = "refused"
    message = f"expected a reply, got HTTP {status}: {_message(answer.body)}"
    return BackendError(message, kind, _seconds(answer.headers.get("Retry-After", "")))


def _message(body: bytes) -> str:
    """What a server has to say about a failure, in one line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return _shown(body)
    match found:
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return _shown(text.encode("utf-8", "replace"))
    return _shown(body)


def _shown(body: bytes) -> str:
    text = body[: 4 * SHOWN].decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line[:SHOWN] or "nothing"


def _seconds(retry_after: str) -> float:
    """How long a server wants to be left alone: a number of seconds or a date."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _count(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else 0
