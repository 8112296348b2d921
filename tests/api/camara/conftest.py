"""A node with the CAMARA API for the tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.api.camara.support import CamaraNode, open_camara_node


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CamaraNode]:
    """A running node."""
    async with open_camara_node(tmp_path_factory.mktemp("camara")) as node:
        yield node


@pytest_asyncio.fixture(loop_scope="module")
async def node(module_node: CamaraNode) -> AsyncIterator[CamaraNode]:
    """The module's node, without calls and phones of others."""
    yield module_node
    await module_node.clear()
