"""`make docs`: writes the names of all settings into shared/base/known_settings.py."""

from pathlib import Path

from console.settings_table import all_settings

MODULE = Path(__file__).parents[1] / "shared" / "base" / "known_settings.py"
_TEXT = '''\
"""The names of all settings of all processes. Written by `make docs` from the settings classes.

A process refuses names that are not here, also those of the other processes' settings; `shared`
imports none of these, so the names stand here as data, and a test holds them to the classes.
"""

SETTINGS = frozenset(
    {{
{names}
    }}
)
'''


def as_module() -> str:
    names = sorted(setting.name for setting in all_settings())
    return _TEXT.format(names="\n".join(f'        "{name}",' for name in names))


if __name__ == "__main__":
    MODULE.write_text(as_module())
