"""`medenv serve`."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from medenv.errors import BackendError

__all__ = ["serve"]


def serve(
    model: Annotated[str, typer.Argument(help="The folder or the hub id of a model.", show_default=False)],
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="-- ...", help="Further arguments of vLLM.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8000,
    name: Annotated[
        str | None, typer.Option(help="What requests call the model.", show_default="the folder's name, or the hub id")
    ] = None,
    max_model_len: Annotated[
        int | None,
        typer.Option(min=1, help="The most tokens of prompt and reply together.", show_default="what the model takes"),
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(
            help="The Python that has vLLM.", show_default="$MEDENV_VLLM_PYTHON, else .vllm/bin/python, else this one"
        ),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="A file for what vLLM prints.", show_default="a temporary one")
    ] = None,
    startup_seconds: Annotated[float, typer.Option(min=0, help="How long it may take to become healthy.")] = 600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON once healthy, for machines.")] = False,
) -> None:
    """Run a model on vLLM, and start it again when it dies, until Ctrl-C or SIGTERM."""
    from medenv.agents.backends.serving import Server

    server = Server(
        model,
        host=host,
        port=port,
        name=name,
        max_model_len=max_model_len,
        python=python,
        extra=extra or (),
        log=log,
        startup_seconds=startup_seconds,
        tell=_tell,
    )
    before = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        vllm = server.installation
        _tell(f"starting vLLM {vllm.version} for {'the CPU' if vllm.cpu else 'the GPU'}; this takes a minute or more")
        with server:
            if as_json:
                typer.echo(json.dumps({"url": server.url, "model": server.name, "pid": os.getpid()}))
            else:
                typer.echo(f"{server.name} is at {server.url}\nlog: {server.log}\nUse it with:")
                typer.echo(f"  export MEDENV_SERVER={server.url}\n  medenv evaluate --patient simulator")
            server.wait()
    except KeyboardInterrupt:
        return
    except BackendError as error:
        for note in getattr(error, "__notes__", ()):
            typer.echo(note, err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    for further in (signal.SIGINT, signal.SIGTERM):  # the end is on its way, and takes some seconds at most
        signal.signal(further, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(line: str) -> None:
    typer.echo(f"medenv: {line}", err=True)
