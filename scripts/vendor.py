"""Brings the front-end files that the console and its tests serve: `make vendor`.

Each comes out of a package of npm, of the version and with the integrity that scripts/vendor.json
has (npm's own sha512 of the package); npm's configuration says where packages come from. Icons are
gathered into one file. What is brought is committed, so that nobody needs npm to run the console.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "scripts" / "vendor.json"
_ICON = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


class IntegrityWrong(Exception):
    """The package is another than the lock says."""


def main() -> int:
    """Bring all files; `--lock` writes down the integrity of the versions first."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    for name, entry in lock.items():
        with tempfile.TemporaryDirectory() as folder:
            package = _download(name, entry["version"], Path(folder))
            integrity = _integrity(package.read_bytes())
            if "--lock" in sys.argv:
                entry["integrity"] = integrity
            if entry["integrity"] != integrity:
                raise IntegrityWrong(f"{name}: {integrity}")
            _unpack(package, entry)
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    return 0


def _download(name: str, version: str, folder: Path) -> Path:
    command = ["npm", "pack", "--silent", f"{name}@{version}"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return folder / done.stdout.strip().splitlines()[-1]


def _integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


def _unpack(package: Path, entry: dict[str, Any]) -> None:
    with tarfile.open(package) as archive:

        def read(path: str) -> bytes:
            member = archive.extractfile(f"package/{path}")
            assert member is not None, path
            return member.read()

        for source, target in entry["files"].items():
            (ROOT / target).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / target).write_bytes(read(source))
        if "icons" in entry:
            symbols = "".join(
                _symbol(each, read(f"icons/{each}.svg").decode()) for each in entry["icons"]
            )
            sprite = f'<svg xmlns="http://www.w3.org/2000/svg">{symbols}</svg>\n'
            (ROOT / entry["sprite"]).write_text(sprite, encoding="utf-8")


def _symbol(name: str, svg: str) -> str:
    match = _ICON.search(svg)
    assert match is not None, name
    drawing = re.sub(r">\s+<", "><", match[1].strip())
    return f'<symbol id="{name}" viewBox="0 0 24 24">{drawing}</symbol>'


if __name__ == "__main__":
    raise SystemExit(main())
