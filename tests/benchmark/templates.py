"""The templates of `page/`: pages in Markdown, pictures in SVG."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "page"),
    undefined=StrictUndefined,
    autoescape=lambda name: bool(name) and ".svg" in str(name),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **values: Any) -> str:
    """Raises `jinja2.UndefinedError` when the template names what is not there."""
    return _ENVIRONMENT.get_template(template).render(**values)
