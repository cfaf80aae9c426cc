"""Zero-shot multi-label classification from Python: data, a bank of word vectors, `fit`, `evaluate`.

Three labels, of which "dog" is unseen; the one token of an image is the word vector of what it shows:

>>> import numpy as np, torch, zsl
>>> from embeddings import build_bank
>>> bank = build_bank(["sky", "sea", "dog"], "lexical:16")
>>> label = np.arange(90) % 3  # of each image
>>> tokens = torch.from_numpy(bank.vectors[label])[:, None]  # (image, token, channel)
>>> shown, seen = np.eye(3, dtype=bool)[label], label < 2
>>> train = zsl.Part(zsl.Tensors(tokens[seen]), zsl.Targets.of(shown[seen, :2]))
>>> test = zsl.Part(zsl.Tensors(tokens), zsl.Targets.of(shown))
>>> data = zsl.MultiLabelData("toy", ("sky", "sea"), ("dog",), train, test, kind="tokens", fingerprint="toy")
>>> model = zsl.fit(data, bank, readout=zsl.EszslConfig(image_ridge=0.01, label_ridge=0.01))
>>> zsl.evaluate(model, data, bank).metrics["gzsl/map_seen"]
1.0
>>> words = {"animals": torch.from_numpy(build_bank(["cat", "horse"], "lexical:16").vectors)}
>>> zsl.score(model, zsl.Samples(data.test), words, zsl.Context.of("fp32"))["animals"].shape
(90, 2)

Names are imported when they are first used, so that `import zsl` alone is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embeddings.io.errors import InputError, TrainingError
    from zsl.backbones.backbone import Backbone
    from zsl.backbones.base import BaseBackbone
    from zsl.backbones.config import BackboneConfig, OpenClipConfig, PretrainConfig
    from zsl.backbones.own import OwnBackbone
    from zsl.context import Context
    from zsl.data.dataset import MultiLabelData, Part, Tensors
    from zsl.data.layouts.cifar100 import Cifar100Config
    from zsl.data.layouts.class_folders import ClassFoldersConfig
    from zsl.data.layouts.coco import CocoConfig
    from zsl.data.layouts.corel5k import Corel5kConfig
    from zsl.data.layouts.csv_layout import CsvConfig
    from zsl.data.layouts.folder import FolderConfig
    from zsl.data.layouts.hdf5 import Hdf5Config
    from zsl.data.layouts.huggingface import HuggingFaceConfig
    from zsl.data.layouts.nus_wide import NusWideConfig
    from zsl.data.layouts.open_images import OpenImagesConfig
    from zsl.data.layouts.ram import RamConfig
    from zsl.data.layouts.scenes import ScenesConfig
    from zsl.data.layouts.stanford_cars import StanfordCarsConfig
    from zsl.data.layouts.tfrecords import TfRecordsConfig
    from zsl.data.layouts.token_folder import TokensConfig
    from zsl.data.layouts.voc import VocConfig
    from zsl.data.layouts.webdataset import WebDatasetConfig
    from zsl.data.loading import Samples, SeenSamples
    from zsl.data.table import DATASETS, load_data
    from zsl.data.targets import Targets
    from zsl.evaluation.evaluation import Evaluation
    from zsl.evaluation.measures import measure
    from zsl.evaluation.protocol import TestSet
    from zsl.library import evaluate, fit
    from zsl.losses.asymmetric import asymmetric_loss
    from zsl.losses.cross_entropy import binary_cross_entropy
    from zsl.losses.focal import focal_loss
    from zsl.losses.ranking import ranking_loss
    from zsl.losses.softmax import softmax_cross_entropy
    from zsl.metrics.average_precision import average_precision, mean_average_precision
    from zsl.metrics.chance import chance_average_precision, chance_f1_at_k
    from zsl.metrics.f1 import f1_at_k, f1_at_threshold
    from zsl.metrics.label_ranking import label_ranking
    from zsl.metrics.stream import MetricStream
    from zsl.model import ZeroShotModel
    from zsl.prediction.graph_files import export_onnx, export_torch
    from zsl.prediction.loading import load
    from zsl.prediction.model import TrainedModel
    from zsl.prediction.official import import_official
    from zsl.prediction.prediction import Found, Prediction
    from zsl.prediction.words import Words
    from zsl.readouts.blend import BlendConfig
    from zsl.readouts.closed_form import ClosedFormReadout
    from zsl.readouts.conse import ConseConfig
    from zsl.readouts.eszsl import EszslConfig
    from zsl.readouts.gap import GapConfig
    from zsl.readouts.gap_text import GapTextConfig
    from zsl.readouts.group_decoder import GroupDecoder, MlDecoderConfig
    from zsl.readouts.kernel_eszsl import KernelEszslConfig
    from zsl.readouts.label_attention import LabelAttentionConfig
    from zsl.readouts.pair import PairConfig
    from zsl.readouts.readout import Readout, ReadoutConfig
    from zsl.readouts.table import READOUTS
    from zsl.readouts.transformer_decoder import TransformerDecoderConfig
    from zsl.runs.bank_config import BankConfig
    from zsl.runs.config import EvaluateConfig, RunConfig
    from zsl.scoring import extract_tokens, score, vocabularies
    from zsl.training.augmentation import AugmentConfig
    from zsl.training.config import TrainConfig

    __version__: str

__all__ = [
    "DATASETS",
    "READOUTS",
    "AugmentConfig",
    "Backbone",
    "BackboneConfig",
    "BankConfig",
    "BaseBackbone",
    "BlendConfig",
    "Cifar100Config",
    "ClassFoldersConfig",
    "ClosedFormReadout",
    "CocoConfig",
    "ConseConfig",
    "Context",
    "Corel5kConfig",
    "CsvConfig",
    "EszslConfig",
    "EvaluateConfig",
    "Evaluation",
    "FolderConfig",
    "Found",
    "GapConfig",
    "GapTextConfig",
    "GroupDecoder",
    "Hdf5Config",
    "HuggingFaceConfig",
    "InputError",
    "KernelEszslConfig",
    "LabelAttentionConfig",
    "MetricStream",
    "MlDecoderConfig",
    "MultiLabelData",
    "NusWideConfig",
    "OpenClipConfig",
    "OpenImagesConfig",
    "OwnBackbone",
    "PairConfig",
    "Part",
    "Prediction",
    "PretrainConfig",
    "RamConfig",
    "Readout",
    "ReadoutConfig",
    "RunConfig",
    "Samples",
    "ScenesConfig",
    "SeenSamples",
    "StanfordCarsConfig",
    "Targets",
    "Tensors",
    "TestSet",
    "TfRecordsConfig",
    "TokensConfig",
    "TrainConfig",
    "TrainedModel",
    "TrainingError",
    "TransformerDecoderConfig",
    "VocConfig",
    "WebDatasetConfig",
    "Words",
    "ZeroShotModel",
    "__version__",
    "asymmetric_loss",
    "average_precision",
    "binary_cross_entropy",
    "chance_average_precision",
    "chance_f1_at_k",
    "evaluate",
    "export_onnx",
    "export_torch",
    "extract_tokens",
    "f1_at_k",
    "f1_at_threshold",
    "fit",
    "focal_loss",
    "import_official",
    "label_ranking",
    "load",
    "load_data",
    "mean_average_precision",
    "measure",
    "ranking_loss",
    "score",
    "softmax_cross_entropy",
    "vocabularies",
]

# the module of each public name
_MODULES = {
    "embeddings.io.errors": ("InputError", "TrainingError"),
    "zsl.backbones.backbone": ("Backbone",),
    "zsl.backbones.base": ("BaseBackbone",),
    "zsl.backbones.config": ("BackboneConfig", "OpenClipConfig", "PretrainConfig"),
    "zsl.backbones.own": ("OwnBackbone",),
    "zsl.context": ("Context",),
    "zsl.data.dataset": ("MultiLabelData", "Part", "Tensors"),
    "zsl.data.layouts.cifar100": ("Cifar100Config",),
    "zsl.data.layouts.class_folders": ("ClassFoldersConfig",),
    "zsl.data.layouts.coco": ("CocoConfig",),
    "zsl.data.layouts.corel5k": ("Corel5kConfig",),
    "zsl.data.layouts.csv_layout": ("CsvConfig",),
    "zsl.data.layouts.folder": ("FolderConfig",),
    "zsl.data.layouts.hdf5": ("Hdf5Config",),
    "zsl.data.layouts.huggingface": ("HuggingFaceConfig",),
    "zsl.data.layouts.nus_wide": ("NusWideConfig",),
    "zsl.data.layouts.open_images": ("OpenImagesConfig",),
    "zsl.data.layouts.ram": ("RamConfig",),
    "zsl.data.layouts.scenes": ("ScenesConfig",),
    "zsl.data.layouts.stanford_cars": ("StanfordCarsConfig",),
    "zsl.data.layouts.tfrecords": ("TfRecordsConfig",),
    "zsl.data.layouts.token_folder": ("TokensConfig",),
    "zsl.data.layouts.voc": ("VocConfig",),
    "zsl.data.layouts.webdataset": ("WebDatasetConfig",),
    "zsl.data.loading": ("Samples", "SeenSamples"),
    "zsl.data.table": ("DATASETS", "load_data"),
    "zsl.data.targets": ("Targets",),
    "zsl.evaluation.evaluation": ("Evaluation",),
    "zsl.evaluation.measures": ("measure",),
    "zsl.evaluation.protocol": ("TestSet",),
    "zsl.library": ("evaluate", "fit"),
    "zsl.losses.asymmetric": ("asymmetric_loss",),
    "zsl.losses.cross_entropy": ("binary_cross_entropy",),
    "zsl.losses.focal": ("focal_loss",),
    "zsl.losses.ranking": ("ranking_loss",),
    "zsl.losses.softmax": ("softmax_cross_entropy",),
    "zsl.metrics.chance": ("chance_average_precision", "chance_f1_at_k"),
    "zsl.metrics.f1": ("f1_at_k", "f1_at_threshold"),
    "zsl.metrics.label_ranking": ("label_ranking",),
    "zsl.metrics.average_precision": ("average_precision", "mean_average_precision"),
    "zsl.metrics.stream": ("MetricStream",),
    "zsl.model": ("ZeroShotModel",),
    "zsl.prediction.graph_files": ("export_onnx", "export_torch"),
    "zsl.prediction.loading": ("load",),
    "zsl.prediction.model": ("TrainedModel",),
    "zsl.prediction.official": ("import_official",),
    "zsl.prediction.prediction": ("Found", "Prediction"),
    "zsl.prediction.words": ("Words",),
    "zsl.readouts.blend": ("BlendConfig",),
    "zsl.readouts.closed_form": ("ClosedFormReadout",),
    "zsl.readouts.conse": ("ConseConfig",),
    "zsl.readouts.eszsl": ("EszslConfig",),
    "zsl.readouts.kernel_eszsl": ("KernelEszslConfig",),
    "zsl.readouts.gap": ("GapConfig",),
    "zsl.readouts.gap_text": ("GapTextConfig",),
    "zsl.readouts.group_decoder": ("GroupDecoder", "MlDecoderConfig"),
    "zsl.readouts.label_attention": ("LabelAttentionConfig",),
    "zsl.readouts.pair": ("PairConfig",),
    "zsl.readouts.readout": ("Readout", "ReadoutConfig"),
    "zsl.readouts.table": ("READOUTS",),
    "zsl.readouts.transformer_decoder": ("TransformerDecoderConfig",),
    "zsl.runs.bank_config": ("BankConfig",),
    "zsl.runs.config": ("EvaluateConfig", "RunConfig"),
    "zsl.scoring": ("extract_tokens", "score", "vocabularies"),
    "zsl.training.augmentation": ("AugmentConfig",),
    "zsl.training.config": ("TrainConfig",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # takes a tenth of a second

        return version("zero-shot-toolkit")
    value = getattr(import_module(_MODULE_OF[name]), name) if name in _MODULE_OF else _config_of_a_table(name)
    if value is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _config_of_a_table(name: str) -> object:
    """A config that a table lists and this file does not: a new readout or dataset needs no line here."""
    if not name.endswith("Config"):
        return None
    from zsl.data.table import DATASETS
    from zsl.readouts.table import READOUTS

    return {config.__name__: config for config in (*DATASETS.values(), *READOUTS.values())}.get(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
