"""Tokens that `zsl data extract` wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from zsl.data.dataset import MultiLabelData
from zsl.data.dataset_config import DatasetConfig


class TokensConfig(DatasetConfig):
    """`root` is a folder that `zsl data extract` wrote.

    `verify`: "full" reads every shard once to check its hash, "size" checks sizes only.
    """

    name: Literal["tokens"] = "tokens"
    root: Path
    verify: Literal["full", "size"] = "full"

    def made_with(self) -> Mapping[str, Any]:
        """What the manifest says; shards are not read."""
        from zsl.data.tokens.files import read_manifest

        return read_manifest(self.root).made_with

    def load(self) -> MultiLabelData:
        """See `zsl.data.tokens.files.load_tokens`."""
        from zsl.data.tokens.files import load_tokens

        return load_tokens(self.root, full=self.verify == "full")
