"""The documents of the CAMARA project that are served, as they were published."""

from dataclasses import dataclass
from importlib.resources import files

_PACKAGE = "clicktodial.api.camara"
CONTENT_TYPE = b"application/yaml"  # RFC 9512


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the API: what its document calls it, and where it is served."""

    name: str
    base_path: str
    file_name: str

    def read(self) -> bytes:
        """The document, with a comment that says whose it is."""
        return files(_PACKAGE).joinpath("spec", self.file_name).read_bytes()


V0_2_RC1 = Version("0.2.0-rc.1", "/click-to-dial/v0.2rc1", "click-to-dial-0.2.0-rc.1.yaml")
# On the wire it is the same: between the two only descriptions and examples changed.
V0_1 = Version("0.1.0", "/click-to-dial/v0.1", "click-to-dial-0.1.0.yaml")
VERSIONS = (V0_2_RC1, V0_1)
BASE_PATH = "/click-to-dial"
