"""`budkavle preview`: each kind of message about made-up bookings, with the current templates."""

from html import escape
from pathlib import Path
from typing import Annotated

import typer

from composer.message_text import MessageText
from composer.samples import SAMPLES, Sample
from composer.settings import ComposerSettings
from composer.wording import BrokenTemplate, Wording
from console.exits import ExitCode, Refused
from console.output import say
from shared.booking.inbox import MessageKind

_PAGE = """\
<!doctype html>
<html lang="sv">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{texts}
</body>
</html>"""


def register(app: typer.Typer) -> None:
    app.command("preview")(preview)


def preview(
    kind: Annotated[MessageKind, typer.Argument(help="The kind of message.")],
    html: Annotated[bool, typer.Option("--html", help="A web page instead of text.")] = False,
    templates: Annotated[
        Path | None,
        typer.Option(help="A region's folder of templates; default: the one in the settings."),
    ] = None,
) -> None:
    """Show what patients read, in every situation that leads to a message of KIND."""
    wording = wording_of(templates or ComposerSettings().composer_templates)
    texts = {
        name: _message_text(wording, each) for name, each in SAMPLES.items() if each.kind == kind
    }
    say(_page(kind, texts) if html else _text(texts))


def wording_of(region: Path | None) -> Wording:
    """With a region's templates. Raises `Refused` for one that cannot be used."""
    try:
        return Wording(region)
    except BrokenTemplate as error:
        raise Refused(f"templates: {error}", ExitCode.USAGE) from None


def _message_text(wording: Wording, sample: Sample) -> MessageText:
    return wording.render_sample(sample)


def _text(texts: dict[str, MessageText]) -> str:
    shown = (f"=== {name}: {each.subject}\n\n{each.text}" for name, each in texts.items())
    return "\n".join(shown)


def _page(kind: MessageKind, texts: dict[str, MessageText]) -> str:
    shown = (
        f"<article>\n<h1>{escape(each.subject)}</h1>\n{each.html}\n</article>"
        for each in texts.values()
    )
    return _PAGE.format(title=kind, texts="\n".join(shown))
