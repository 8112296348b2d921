"""A picture that telephones read, as SVG without styles: a path of squares."""

from typing import Any

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

# ISO/IEC 18004: so much white around it.
_QUIET_MODULES = 4


def draw_qr_code(text: str) -> tuple[int, str]:
    """The width of the picture in modules, and the path of the black ones."""
    code: Any = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    squares = [
        f"M{column + _QUIET_MODULES} {row + _QUIET_MODULES}h1v1h-1z"
        for row in range(size)
        for column in range(size)
        if code.isDark(row, column)
    ]
    return size + 2 * _QUIET_MODULES, "".join(squares)
