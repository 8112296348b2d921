"""A statement as people read it: HTML, and PDF for the books.

The PDF names Adobe's Simplified Chinese font (STSong-Light), which holds Chinese and Latin and is
not embedded: readers bring it or a stand-in for it. Whoever archives as PDF/A, or prints where
there is none, embeds a TrueType font of their own (`billing.pdf_font`).
"""

import functools
import io
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from jinja2 import Environment, PackageLoader, StrictUndefined

from clicktodial.billing.statement import Statement, Total

MICROS = 1_000_000
_CENT_MICROS = 10_000
_CID_FONT = "STSong-Light"
_SECONDS_PER_MINUTE = 60
_HEADINGS = ("", "Calls", "Connected", "Duration", "Minutes used", "Of it overage", "Price")


def format_minutes(seconds: int) -> str:
    """`12:05`: whole minutes, and seconds."""
    return f"{seconds // _SECONDS_PER_MINUTE}:{seconds % _SECONDS_PER_MINUTE:02}"


def format_money(micros: int) -> str:
    """In the currency, with two places, and as many more as it needs."""
    sign = "-" if micros < 0 else ""
    whole, part = divmod(abs(micros), MICROS)
    if part % _CENT_MICROS == 0:
        return f"{sign}{whole}.{part // _CENT_MICROS:02}"
    return f"{sign}{whole}.{part:06}".rstrip("0")


def render_html(statement: Statement) -> bytes:
    """One page that needs nothing besides."""
    page: str = _template().render(statement=statement, tables=_tables(statement))
    return page.encode()


def render_pdf(statement: Statement, font_file: Path | None = None) -> bytes:
    """On as many pages of A4 as it needs. Raises OSError where the font cannot be read."""
    # Loads for half a second, which only those pay who want a PDF.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    font = _register_font(font_file)
    body = ParagraphStyle("body", fontName=font, fontSize=9, leading=13)
    head = ParagraphStyle("head", fontName=font, fontSize=15, leading=20, spaceAfter=4 * mm)
    section = ParagraphStyle("section", fontName=font, fontSize=11, leading=15, spaceBefore=6 * mm)
    flow: list[Any] = [Paragraph(f"Statement {statement.month}", head)]
    flow.append(Paragraph(escape(_who(statement)), body))
    flow.append(Spacer(1, 4 * mm))
    flow.append(_pdf_table(_summary(statement), font, is_headed=False))
    if statement.packages:
        flow.append(Paragraph("Packages granted", section))
        flow.append(_pdf_table(_package_rows(statement), font))
    for heading, totals in _tables(statement):
        flow.append(Paragraph(heading, section))
        flow.append(_pdf_table([_HEADINGS, *map(_row, totals)], font))
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        title=f"Statement {statement.month}: {statement.enterprise_name}",
        # The same statement is the same file, whenever it is asked for.
        invariant=True,
    )
    document.build(flow)
    return file.getvalue()


def _who(statement: Statement) -> str:
    made = statement.made_at.strftime("%Y-%m-%d %H:%M")
    who = f"{statement.enterprise_name} ({statement.enterprise_id})"
    return f"{who}, days of {statement.time_zone}, made {made} UTC"


def _summary(statement: Statement) -> list[tuple[str, ...]]:
    total, currency = statement.total, statement.currency
    overage = f"Overage, {format_minutes(total.overage_s)} minutes"
    return [
        ("Calls", f"{total.calls}, of which {total.connected} were connected"),
        ("Minutes used", format_minutes(total.billed_s)),
        ("Minutes that expired", format_minutes(statement.expired_s)),
        ("Packages", f"{format_money(statement.package_micros)} {currency}"),
        (overage, f"{format_money(total.price_micros)} {currency}"),
        ("Owed", f"{format_money(statement.owed_micros)} {currency}"),
    ]


def _package_rows(statement: Statement) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Package", "Granted", "Minutes", "Price")]
    for line in statement.packages:
        granted = line.granted_at.strftime("%Y-%m-%d")
        minutes, price = format_minutes(line.seconds), format_money(line.price_micros)
        rows.append((line.name, granted, minutes, price))
    return rows


def _tables(statement: Statement) -> list[tuple[str, list[Total]]]:
    return [
        ("By application", statement.by_application),
        ("By department", statement.by_department),
        ("By day", statement.by_day),
    ]


def _row(total: Total) -> tuple[str, ...]:
    return (
        total.name or "(none)",
        str(total.calls),
        str(total.connected),
        format_minutes(total.duration_s),
        format_minutes(total.billed_s),
        format_minutes(total.overage_s),
        format_money(total.price_micros),
    )


def _pdf_table(rows: list[tuple[str, ...]], font: str, *, is_headed: bool = True) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import Table, TableStyle

    style: list[Any] = [
        ("FONTNAME", (0, 0), (-1, -1), font),
        ("FONTSIZE", (0, 0), (-1, -1), 8),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
    ]
    if is_headed:
        style.append(("LINEBELOW", (0, 0), (-1, 0), 0.75, colors.black))
    return Table(rows, style=TableStyle(style), repeatRows=1 if is_headed else 0, hAlign="LEFT")


@functools.cache
def _register_font(font_file: Path | None) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if font_file is None:
        pdfmetrics.registerFont(UnicodeCIDFont(_CID_FONT))
        return _CID_FONT
    name = f"file-{font_file.stem}"
    try:
        pdfmetrics.registerFont(TTFont(name, str(font_file)))
    except TTFError as error:
        raise OSError(f"{font_file} is no TrueType font that can be embedded") from error
    return name


@functools.cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("clicktodial.billing", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minutes"] = format_minutes
    environment.filters["money"] = format_money
    return environment.get_template("statement.html")
