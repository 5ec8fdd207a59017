"""`make pictures`: takes the pictures of docs/images/ from a demo that really runs.

The terminal's picture is what the demo printed; the inbox message is the relay's own HTML, which
Chromium renders in a frame as wide as a phone.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from html import escape
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.polling import eventually
from tests.services.hosts import find_programs

IMAGES = Path(__file__).parents[1] / "docs" / "images"

_RUNNING = "Addresses and settings:"
_COLUMNS = 88
#: What is shown of the demo: its beginning, up to this line.
_FIRST_LEFT_OUT = "... and an e-mail"
_PATIENT = "191212121212"
_BUDKAVLE = [sys.executable, "-m", "console"]

_CHROMIUM_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND"),
    *("--force-device-scale-factor=1.25", "--window-size=430,600"),
)

_FRAME = """<!doctype html>
<html lang="sv"><meta charset="utf-8">
<style>
  body {{ margin: 0; padding: 20px; background: #e9e9e4; font: 16px/1.45 sans-serif; }}
  article {{ background: #fff; border-radius: 10px; padding: 20px 22px; color: #1d1d1d; }}
  h1 {{ font-size: 21px; line-height: 1.25; margin: 0 0 12px; }}
  h2 {{ font-size: 18px; margin: 20px 0 0; }} h3, h4 {{ font-size: 16px; margin: 12px 0 0; }}
  dl {{ border-left: 4px solid #7a1f3d; margin: 14px 0; padding: 2px 0 2px 14px; }}
  dt {{ color: #555; font-size: 14px; }} dd {{ margin: 0 0 6px; }} p {{ margin: 6px 0; }}
</style>
<article><h1>{subject}</h1>
{message}
</article></html>"""


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        printed, subject, html = watch_the_demo(Path(folder))
        (IMAGES / "demo.svg").write_text(terminal(printed))
        page = Path(folder) / "message.html"
        page.write_text(_FRAME.format(subject=escape(subject), message=html))
        take(page, IMAGES / "inbox-message.png")


def watch_the_demo(folder: Path) -> tuple[str, str, str]:
    """What the demo printed, and subject and HTML of the first message to its patient."""
    log = folder / "demo.txt"
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS)}
    with log.open("w") as output:
        demo = subprocess.Popen([*_BUDKAVLE, "demo", "--keep"], stdout=output, env=environment)
    try:
        eventually(lambda: _RUNNING in log.read_text() or demo.poll() is not None, timeout=120)
        return log.read_text(), *first_message(settings_in(log.read_text()))
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


def settings_in(printed: str) -> dict[str, str]:
    """The settings that the demo wrote for other terminals."""
    plain = Text.from_ansi(printed).plain
    [file] = re.findall(r"^  \. (\S+)", plain, re.MULTILINE)
    lines = re.findall(r"^export (\w+)=(.*)$", Path(file).read_text(), re.MULTILINE)
    return {name: value.strip("'") for name, value in lines}


def first_message(settings: Mapping[str, str]) -> tuple[str, str]:
    def budkavle(*arguments: str) -> str:
        environment = {**os.environ, **settings}
        command = [*_BUDKAVLE, "inbox", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    oldest = json.loads(budkavle("list", _PATIENT, "--json"))[-1]
    return oldest["subject"], budkavle("show", oldest["id"], "--html")


def terminal(printed: str) -> str:
    """The beginning of what was printed, as an SVG without fonts from elsewhere."""
    shown = printed.partition(_FIRST_LEFT_OUT)[0].rstrip().rsplit("\n", 1)[0]
    console = Console(record=True, width=_COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown.strip("\n")))
    svg = console.export_svg(title="make demo", clear=False)
    without_fonts = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]+;", "font-family: monospace;", without_fonts)


def take(page: Path, picture: Path) -> None:
    chromium = find_programs("chromium", (), ("chromium",))["chromium"]
    command = [chromium, *_CHROMIUM_OPTIONS, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
