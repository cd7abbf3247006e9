"""``hybrid plugins``: what other packages bring."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from hybrid import plugins
from hybrid.cli.output import AsJson, out, print_json, table


def list_plugins(as_json: AsJson = False) -> None:
    """List the encoders, analyzers, fusions, rerankers and readers that other installed packages bring.
    Nothing of them is loaded."""
    found = plugins.installed()
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        out.print("no other package brings anything")
        return
    rows = table("kind", "name", "package", "version", "module")
    for one in found:
        rows.add_row(*map(Text, (one.kind, one.name, one.package, one.version, one.value)))
    out.print(rows)
