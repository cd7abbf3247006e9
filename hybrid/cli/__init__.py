"""The command line: ``hybrid index | delete | reindex | search | evaluate | verify | stats | demo``.

Answers go to stdout, progress and complaints to stderr. Exit status: 0 done; 1 it could not be done, or
the answer is no (``verify`` found damage); 2 what was asked cannot be understood.
"""

from __future__ import annotations

import os
import sys
from typing import Final, cast

import typer

from hybrid.cli import care, demo, evaluate, index, search
from hybrid.cli.output import complain
from hybrid.errors import HybridError, InputError

# click's ClickException; typer may carry a click of its own, so it is reached through what typer exports.
_USAGE: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    help="Hybrid search, keywords and meaning, in one directory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("index")(index.index)
app.command("delete")(index.delete)
app.command("reindex")(index.reindex)
app.command("search")(search.search)
app.command("evaluate")(evaluate.evaluate)
app.command("verify")(care.verify)
app.command("stats")(care.stats)
app.command("demo")(demo.demo)


def main() -> None:
    """The ``hybrid`` command. No error reaches the user as a traceback."""
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except _USAGE as error:
        complain(error.format_message())
        status = error.exit_code
    except InputError as error:
        complain(str(error))
        status = 2
    except HybridError as error:
        complain(str(error))
        status = 1
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; what was acknowledged is kept")
        status = 130
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        if sys.flags.dev_mode:  # python -X dev
            raise
        complain(f"{type(error).__name__}: {error}")
        status = 1
    sys.exit(status or 0)
