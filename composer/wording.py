"""From a decision to Swedish: a message's subject, plain text and HTML, out of templates.

The templates stand in `composer/templates/`, three for each kind (`KIND.subject.txt`, `KIND.txt`,
`KIND.html`) and the pieces they share (`_….`). A region may put its own files of the same names
into a folder (`BUDKAVLE_COMPOSER_TEMPLATES`); what it does not have is taken from here. All of
them are compiled and tried when the composer starts, so that none can fail on a patient's message.

In a template: `new` and `old` are `View`s (`old` is None when nothing is said to have changed) and
`changed` holds the names of `Aspect` that differ between them; `has_new_time` says of a
cancellation that the patient was just given another time, and `still_booked` holds those of them,
as `View.shown` and in the order of time, that were announced before. The sentences of
`_sentences.txt` are plain text: take them through the filter `lines`, so that HTML escapes what
they quote.
"""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateError,
    nodes,
    select_autoescape,
)
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from composer import docbook, richtext
from composer.message_text import MessageText
from composer.noticeable import Noticeable, changed_aspects, noticeable
from composer.samples import SAMPLES, Sample
from shared.base.text_folder import TextFolder, UnfitText
from shared.booking.inbox import MessageKind
from shared.booking.messages import BookingDetails

_OURS = Path(__file__).parent / "templates"
_PARTS = ("subject.txt", "txt", "html")
#: What HTML must escape though it is no tag (tags are taken out of names), and the texts of a
#: booking system in which it may stand.
_PROBE = "1<2 "
_QUOTED = ("unit_name", "performer_name", "resource_name", "care_type_name", "reason", "purpose")


class BrokenTemplate(ValueError):
    """A template cannot be read or rendered. The text names the file and the fault."""


@dataclass(frozen=True, slots=True)
class View:
    """A booking as templates see it."""

    shown: Noticeable
    purpose_text: str
    purpose_html: Markup


class _Included(NodeTransformer):
    """Puts included pieces in their places, once. At each rendering Jinja would look them up, and
    make a context of each."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_Include(self, include: nodes.Include) -> nodes.Node:  # noqa: N802 - Jinja's name
        if not isinstance(include.template, nodes.Const) or not include.with_context:
            return include
        loader = self._environment.loader
        assert loader is not None  # noqa: S101 - see `Wording`
        source, name, _ = loader.get_source(self._environment, include.template.value)
        piece = self.visit(self._environment.parse(source, include.template.value, name))
        return nodes.Scope(piece.body, lineno=include.lineno)


class _Environment(Environment):
    """Of templates that never change: what Jinja looks up at each rendering is looked up once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[str, Template] = {}

    def _generate(self, source: nodes.Template, *names: Any, **options: Any) -> str:
        """Jinja's hook for another way from a template's tree to its code."""
        return super()._generate(_Included(self).visit(source), *names, **options)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """A dict: of Jinja's chain of two, each piece of each message copies all names singly."""
        return {**self.globals, **(d or {})}

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja's name
    ) -> Template:
        if isinstance(name, Template) or globals:
            return super().get_template(name, parent, globals)
        if name not in self._known:
            self._known[name] = super().get_template(name, parent)
        return self._known[name]


class Wording:
    """The templates in force. Raises `BrokenTemplate` at once when one of them is at fault."""

    def __init__(self, region: Path | None = None) -> None:
        self._environment = _Environment(
            loader=FunctionLoader(_texts(region).read),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["lines"] = _plain_lines
        self._templates = {
            kind: tuple(self._template(f"{kind}.{part}") for part in _PARTS) for kind in MessageKind
        }
        self._try_all()

    def render(
        self,
        kind: MessageKind,
        details: BookingDetails,
        previous: BookingDetails | None = None,
        *,
        has_new_time: bool = False,
        still_booked: Sequence[BookingDetails] = (),
    ) -> MessageText:
        """The message of `kind` about `details`, which were `previous` until now."""
        values = {
            "new": _view(details),
            "old": _view(previous) if previous else None,
            "changed": changed_aspects(previous, details) if previous else (),
            "has_new_time": has_new_time,
            "still_booked": [noticeable(each) for each in _in_time_order(still_booked)],
        }
        subject, text, html = (template.render(values) for template in self._templates[kind])
        return MessageText(" ".join(subject.split()), _tidy(text), html.strip())

    def render_sample(self, sample: Sample) -> MessageText:
        return self.render(
            sample.kind,
            sample.details,
            sample.previous,
            has_new_time=sample.has_new_time,
            still_booked=sample.still_booked,
        )

    def _template(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except (TemplateError, UnfitText) as error:
            raise _broken(name, error) from error

    def _try_all(self) -> None:
        for name, sample in SAMPLES.items():
            try:
                self.render_sample(sample)
                previous = _probing(sample.previous) if sample.previous else None
                probe = self.render(sample.kind, _probing(sample.details), previous)
            except Exception as error:  # a template can raise anything
                raise _broken(f"{sample.kind} ({name})", error) from error
            if _PROBE in probe.html:
                raise BrokenTemplate(f"{sample.kind}.html ({name}): names are not escaped")


def _in_time_order(visits: Sequence[BookingDetails]) -> list[BookingDetails]:
    return sorted((visit for visit in visits if visit.starts), key=lambda visit: visit.starts)


def _probing(details: BookingDetails) -> BookingDetails:
    """The same with markup in all texts, and each of them another text than in another booking."""
    texts = {name: f"{_PROBE}{getattr(details, name)}" for name in _QUOTED}
    return details.model_copy(update=texts)


def _texts(region: Path | None) -> TextFolder:
    try:
        return TextFolder(_OURS, region)
    except UnfitText as error:
        raise BrokenTemplate(str(error)) from error


def _broken(name: str, error: Exception) -> BrokenTemplate:
    line = getattr(error, "lineno", None)
    where = f"{name}, line {line}" if line else name
    return BrokenTemplate(f"{where}: {type(error).__name__}: {error}")


def _view(details: BookingDetails) -> View:
    purpose = docbook.read(details.purpose)
    return View(
        shown=noticeable(details),
        purpose_text=richtext.to_text(purpose),
        purpose_html=Markup(richtext.to_html(purpose)),  # noqa: S704 - it escapes all it is given
    )


def _plain_lines(sentences: str) -> list[str]:
    """Lines that say something, as plain text.

    Jinja takes what a macro gives to an HTML template for escaped. Ours stand in a text template,
    where names from booking systems are quoted as they came.
    """
    return [line for line in str(sentences).split("\n") if line]


def _tidy(text: str) -> str:
    """At most one blank line in a row; pieces that say nothing leave no gap."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    kept = [line for n, line in enumerate(lines) if line or (n and lines[n - 1])]
    return "\n".join(kept) + "\n"
