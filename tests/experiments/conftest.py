"""The datasets in their layouts, for the commands."""

from tests.zsl.layouts import album, classes, coco, open_images, voc  # noqa: F401 - fixtures
