"""`/preview`: every kind of message in every situation, by our templates and the region's."""

from functools import cache
from pathlib import Path

import nh3
from markupsafe import Markup
from starlette.responses import Response

from composer.message_text import MessageText
from composer.samples import SAMPLES
from composer.settings import ComposerSettings
from composer.wording import Wording
from console.preview import wording_of
from console.web.visits import Page, Visit
from shared.booking.inbox import MessageKind


def show(visit: Visit) -> Response:
    name = visit.query.get("kind", "")
    kind = MessageKind(name) if name in {*MessageKind} else MessageKind.BOOKING_CONFIRMATION
    region = ComposerSettings().composer_templates
    wordings = [_ours(), *([wording_of(region)] if region else [])]
    samples = {name: each for name, each in SAMPLES.items() if each.kind == kind}
    situations = [
        (name, [_shown(wording.render_sample(each)) for wording in wordings])
        for name, each in samples.items()
    ]
    return visit.render(
        "preview.html", kind=kind, kinds=[*MessageKind], situations=situations, region=region
    )


@cache
def _ours() -> Wording:
    return wording_of(None)


def _shown(text: MessageText) -> dict[str, str | Path]:
    html = Markup(nh3.clean(text.html))  # noqa: S704 - cleaned of all that could act
    return {"subject": text.subject, "html": html}


PAGES = (Page("/preview", show),)
