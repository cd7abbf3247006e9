"""The command line: ``hybrid index | delete | update | reindex | search | context | suggest |
autocomplete | count | facets | evaluate | tune | adapt | learn | forget | train | rerank | calibrate |
synonyms | user-words | profile | plugins | encoders | bench | clicks | mine | verify | stats | compact |
backup | restore | export | demo``.

Results go to stdout, progress and messages to stderr. Exit status: 0 success; 1 failure, or a negative
result (``verify`` found damage); 2 invalid arguments or input; 130 Ctrl-C; 143 SIGTERM.
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
    adapt,
    bench,
    calibrate,
    care,
    changing,
    clicks,
    context,
    copies,
    demo,
    encoders,
    evaluate,
    facets,
    files,
    index,
    learn,
    mine,
    plugins,
    profile,
    reindex,
    rerank,
    search,
    suggest,
    synonyms,
    train,
    tune,
    userwords,
)
from hybrid.cli.output import complain, write_anything
from hybrid.errors import HybridError, InputError

# click's ClickException; typer may bundle its own copy of click, so take it from a class that typer
# exports.
_USAGE: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    help="Hybrid search, by keyword and by meaning, in one directory.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("index")(index.index)
app.command("delete")(changing.delete)
app.command("update")(changing.update)
app.command("reindex")(reindex.reindex)
app.command("search")(search.search)
app.command("context")(context.context)
app.command("suggest")(suggest.suggest)
app.command("autocomplete")(suggest.autocomplete)
app.command("count")(facets.count)
app.command("facets")(facets.facets)
app.command("evaluate")(evaluate.evaluate)
app.command("tune")(tune.tune)
app.command("adapt")(adapt.adapt)
app.command("learn")(learn.learn)
app.command("forget")(learn.forget)
app.command("train")(train.train)
app.command("rerank")(rerank.rerank)
app.command("calibrate")(calibrate.calibrate)
app.command("synonyms")(synonyms.synonyms)
app.command("user-words")(userwords.user_words)
app.command("profile")(profile.profile)
app.command("plugins")(plugins.list_plugins)
app.command("encoders")(encoders.list_encoders)
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
    """SIGTERM. Like KeyboardInterrupt, it is not caught by ``except Exception``."""


def main() -> None:
    """Run the ``hybrid`` command. No error reaches the user as a traceback."""
    write_anything()
    with _terminable():
        status = _run()
    sys.exit(status)


def _run() -> int:
    """Run the command and return the exit status."""
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
        complain("interrupted; all acknowledged changes are kept")
        return 130
    except _Terminated:
        complain("terminated; all acknowledged changes are kept")
        return 143
    except BrokenPipeError:  # the program that reads our output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if sys.flags.dev_mode:  # python -X dev
            raise
        complain(f"{type(error).__name__}: {error}")
        return 1


def _command(arguments: list[str]) -> int:
    # Not app(): it prints nothing on Ctrl-C, and exits with status 1 on a closed pipe.
    command = typer.main.get_command(app)
    try:
        with command.make_context("hybrid", files.spelled(arguments)) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that open indexes are closed; ignore a second one meanwhile."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
