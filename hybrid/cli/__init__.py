"""The command line: ``hybrid index | delete | reindex | search | evaluate | tune | train | rerank |
calibrate | profile | bench | clicks | mine | verify | stats | compact | backup | restore | export | demo``.

Answers go to stdout, progress and complaints to stderr. Exit status: 0 done; 1 it could not be done, or
the answer is no (``verify`` found damage); 2 what was asked cannot be understood; 130 Ctrl-C; 143 SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, cast

import typer

from hybrid.cli import (
    bench,
    calibrate,
    care,
    clicks,
    copies,
    demo,
    evaluate,
    files,
    index,
    mine,
    profile,
    rerank,
    search,
    train,
    tune,
)
from hybrid.cli.output import complain, write_anything
from hybrid.errors import HybridError, InputError

# click's ClickException; typer may carry a click of its own, so it is reached through what typer exports.
_USAGE: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    help="Hybrid search, keywords and meaning, in one directory.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("index")(index.index)
app.command("delete")(index.delete)
app.command("reindex")(index.reindex)
app.command("search")(search.search)
app.command("evaluate")(evaluate.evaluate)
app.command("tune")(tune.tune)
app.command("train")(train.train)
app.command("rerank")(rerank.rerank)
app.command("calibrate")(calibrate.calibrate)
app.command("profile")(profile.profile)
app.command("bench")(bench.bench)
app.command("clicks")(clicks.clicks)
app.command("mine")(mine.mine)
app.command("verify")(care.verify)
app.command("stats")(care.stats)
app.command("compact")(care.compact)
app.command("backup")(copies.backup)
app.command("restore")(copies.restore)
app.command("export")(copies.export)
app.command("demo")(demo.demo)


class _Terminated(BaseException):
    """SIGTERM. Passes by ``except Exception``, as KeyboardInterrupt does."""


def main() -> None:
    """The ``hybrid`` command. No error reaches the user as a traceback."""
    write_anything()
    with _terminable():
        status = _run()
    sys.exit(status)


def _run() -> int:
    """The exit status."""
    try:
        status = _command(sys.argv[1:] or ["--help"])
        sys.stdout.flush()
        return status
    except _USAGE as error:
        complain(error.format_message())
        return error.exit_code
    except InputError as error:
        complain(str(error))
        return 2
    except HybridError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; what was acknowledged is kept")
        return 130
    except _Terminated:
        complain("terminated; what was acknowledged is kept")
        return 143
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if sys.flags.dev_mode:  # python -X dev
            raise
        complain(f"{type(error).__name__}: {error}")
        return 1


def _command(arguments: list[str]) -> int:
    # Not app(): that ends Ctrl-C without a word, and a closed pipe with status 1.
    command = typer.main.get_command(app)
    try:
        with command.make_context("hybrid", files.spelled(arguments)) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as an exception, so that what is open is closed; a second one does not disturb that."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
