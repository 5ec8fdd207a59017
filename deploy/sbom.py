"""The bill of materials of the image it runs in, as CycloneDX 1.6 on standard output.

docker run --rm -v "$PWD/deploy/sbom.py:/sbom.py:ro" --entrypoint python budkavle /sbom.py
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from typing import Any
from urllib.parse import quote

from shared import __version__

_DPKG = ("dpkg-query", "--show", "--showformat", "${Package} ${Version} ${Architecture}\\n")


def sbom() -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component("application", "budkavle", __version__)},
        "components": [*_python_packages(), *_debian_packages()],
    }


def _python_packages() -> Iterator[dict[str, Any]]:
    for found in sorted(distributions(), key=lambda one: one.name.lower()):
        purl = f"pkg:pypi/{quote(found.name.lower().replace('_', '-'))}@{quote(found.version)}"
        yield _component("library", found.name, found.version, purl=purl, **_licences(found))


def _licences(found: Distribution) -> dict[str, Any]:
    """What the package says of itself: an SPDX expression, or a name."""
    expression = found.metadata.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    classifiers = found.metadata.get_all("Classifier") or []
    names = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _debian_packages() -> Iterator[dict[str, Any]]:
    listing = subprocess.run(_DPKG, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - our own words
    for name, version, architecture in map(str.split, listing.splitlines()):
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
        yield _component("library", name, version, purl=purl)


def _component(kind: str, name: str, version: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "version": version, "bom-ref": f"{name}@{version}", **more}


if __name__ == "__main__":
    json.dump(sbom(), sys.stdout, indent=1)
