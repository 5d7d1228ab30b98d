"""Connections to servers: one pool an event loop, and errors in medenv's own terms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias
from weakref import finalize

from medenv.errors import BackendError, MissingExtraError

try:
    import aiohttp
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'serve' for models on a server, got {missing}; pip install 'medenv-rl[serve]'"
    ) from None

__all__ = ["Answer", "Connections"]

CONNECT_TIMEOUT = 10.0
KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept. vLLM closes it after 5, and a request sent at that moment would be lost."""
LARGEST_BODY = 32 * 2**20
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Open:
    session: aiohttp.ClientSession
    owner: AsyncGenerator[aiohttp.ClientSession, None]


_ByLoop: TypeAlias = dict[asyncio.AbstractEventLoop, _Open]


class Connections:
    """Sends requests from any event loop, over connections that are kept and belong to that loop."""

    def __init__(self) -> None:
        self._open: _ByLoop = {}
        finalize(self, _abandon, self._open)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The answer to a request, whatever its status.

        Raises:
            BackendError: No answer came, or none that is whole.
        """
        session = await self._session()
        try:
            async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
                received = bytearray()
                async for chunk in response.content.iter_any():
                    received += chunk
                    if len(received) > LARGEST_BODY:
                        raise BackendError(f"expected a reply of at most {LARGEST_BODY} bytes, got more", "garbled")
                return Answer(response.status, response.headers, bytes(received))
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            raise BackendError(f"expected a whole reply, got {_named(error)}", "garbled") from None
        except (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError) as error:
            raise BackendError(f"expected a server that can be trusted, got {_named(error)}", "refused") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError(f"expected a server at {_host(url)}, got {_named(error)}", "unreachable") from None

    async def aclose(self) -> None:
        """Closes the connections of the running event loop; the next request opens new ones."""
        opened = self._open.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.owner.aclose()

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        opened = self._open.get(loop)
        if opened is None:
            # A session holds its loop, so those of closed loops have to be let go by hand.
            for closed in [other for other in self._open if other.is_closed()]:
                _let_go(closed, self._open.pop(closed))
            owner = _session()
            opened = self._open[loop] = _Open(await anext(owner), owner)
        return opened.session


async def _session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    # In a generator, because event loops close those that are left over before they close themselves.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


def _abandon(sessions: _ByLoop) -> None:
    """Closes what is open when its owner is dropped or the interpreter exits, so that nobody has to be warned."""
    while sessions:
        _let_go(*sessions.popitem())


def _let_go(loop: asyncio.AbstractEventLoop, opened: _Open) -> None:
    closing = opened.session.close()
    if loop.is_closed():
        with suppress(StopIteration):
            closing.send(None)
    elif not loop.is_running():
        loop.run_until_complete(closing)
    elif loop is not asyncio._get_running_loop():
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(closing, loop).result(1)
    else:
        # The loop closes the generator, and so the session, as soon as nothing refers to it.
        closing.close()


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _host(url: str) -> str:
    return url.split("/")[2].rpartition("@")[2]
