"""A report as Markdown and as one HTML page that needs nothing else. Pure."""

from collections.abc import Iterator
from html import escape

from edgemodel_cli.report import Report, Table

LONG = 30
"""Characters of a word that is too long to stay on one line."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d8dee4; }
.long { overflow-wrap: anywhere; }
.word { white-space: nowrap; }
th { font-weight: 600; white-space: nowrap; }
.key td:first-child { width: 10rem; color: #59636e; }
.muted, .made { color: #59636e; }
code { font-family: ui-monospace, monospace; }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3; }
  th, td { border-color: #30363d; }
  .key td:first-child, .muted, .made { color: #9198a1; }
}
@media print { h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def as_markdown(report: Report) -> str:
    """For a ticket."""
    return "\n".join(_markdown(report)) + "\n"


def as_html(report: Report) -> str:
    """One page without scripts; a browser loads nothing for it, and is told not to."""
    return "\n".join(_html(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield f"# EdgeModel {_safe(report.title)}"
    yield ""
    yield f"As of {report.made}."
    yield ""
    yield from (f"- {_safe(line)}" for line in report.state)
    for table in report.tables:
        yield ""
        yield f"## {table.title}"
        yield ""
        yield from _markdown_table(table)
    yield ""
    yield "## Next"
    yield ""
    yield from (f"- {_safe(line)}" for line in report.next)


def _markdown_table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield "None."
        return
    yield f"| {' | '.join(table.columns)} |"
    yield f"| {' | '.join('---' for _ in table.columns)} |"
    for row in table.rows:
        yield f"| {' | '.join(map(_safe, row))} |"


def _safe(text: str) -> str:
    """A stranger's text that stays in its cell and makes no link, picture or tag."""
    for character in "\\`*[]|":
        text = text.replace(character, f"\\{character}")
    return text.replace("<", "&lt;").replace("@", "&#64;")


def _html(report: Report) -> Iterator[str]:
    title = f"EdgeModel {escape(report.title)}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f'<h1>{title}</h1>\n<p class="made">As of {escape(report.made)}.</p>'
    yield from (f"<p>{escape(line)}</p>" for line in report.state)
    for table in report.tables:
        yield f"<h2>{escape(table.title)}</h2>"
        yield from _html_table(table)
    yield "<h2>Next</h2>\n<ul>"
    yield from (f"<li><code>{escape(line)}</code></li>" for line in report.next)
    yield "</ul>\n</body>\n</html>"


def _html_table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield '<p class="muted">None.</p>'
        return
    if table.columns == ("Field", "Value"):
        yield '<table class="key">'
    else:
        heads = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
        yield f"<table>\n<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    yield from (f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    yield "</tbody>\n</table>"


def _cell(text: str) -> str:
    """One word stays on one line; a very long one, such as a digest, may break anywhere."""
    longest = max(map(len, text.split()), default=0)
    kind = ' class="long"' if longest > LONG else ' class="word"' if " " not in text else ""
    return f"<td{kind}>{escape(text)}</td>"
