"""The page about the CAMARA API names what there is."""

from pathlib import Path

from clicktodial.api.camara.document import VERSIONS
from clicktodial.api.camara.error import REFUSALS
from clicktodial.api.camara.operation import SCOPES

PAGE = (Path(__file__).parents[3] / "docs" / "camara.md").read_text(encoding="utf-8")


def test_every_error_is_documented_and_no_other() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "` |" in line[:40]]
    told = [row for row in rows if row[2:5].isdigit()]
    assert told == [
        f"| {refusal.status} `{refusal.code}` | {refusal.about or refusal.message} |"
        for refusal in REFUSALS
    ]


def test_every_version_and_scope_is_documented() -> None:
    for version in VERSIONS:
        assert f"`{version.base_path}/openapi.yaml`" in PAGE
    for scope in SCOPES:
        assert f"`{scope}`" in PAGE
