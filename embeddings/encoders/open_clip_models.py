"""Image-text pairs of open_clip: what is known of a pair, where its weights are, and the model itself.

Models are made by open_clip's classes, not by its `create_model`, which fetches weights unasked and only logs what it
could not fetch. The tests compare the results with those of `create_model`.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from embeddings.io.arrays import check_stored
from embeddings.io.errors import InputError
from embeddings.io.reading import read_json
from embeddings.io.spelling import nearest

HUB, FOLDER = "hf-hub:", "local-dir:"
CONFIG = "open_clip_config.json"  # in a folder that has the layout of a hub
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin")
SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "spiece.model", "tokenizer.model")
HUB_SECONDS = 5


def library() -> Any:
    """open_clip, which takes seconds to import.

    Raises:
        InputError: it is not installed.
    """
    try:
        import open_clip
    except ImportError as error:
        raise InputError("image-text pairs need open_clip: pip install 'zero-shot-toolkit[clip]'") from error
    return open_clip


@dataclass(frozen=True)
class Known:
    """What open_clip knows of a pair.

    Args:
        model: the arguments of its class: `embed_dim`, `vision_cfg`, `text_cfg` and others.
        preprocess: how it reads pictures: `size`, `mean`, `std`, `interpolation`, `resize_mode`.
    """

    model: dict[str, Any]
    preprocess: dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """An image-text pair, by the names of open_clip.

    Args:
        name: an architecture of open_clip, such as "ViT-B-16"; "hf-hub:OWNER/MODEL"; or "local-dir:FOLDER", a folder in
            the layout of a hub (`open_clip_config.json` and a file of weights).
        pretrained: the tag of its weights, such as "laion2b_s34b_b88k", which also says how pictures are read; "" for
            none, and for pairs of a hub or a folder.
        weights: a local file of weights, or a folder that holds one, instead of that of the tag, the hub or the folder.
    """

    name: str
    pretrained: str = ""
    weights: Path | None = None

    @property
    def spec(self) -> str:
        """What names the pair as an encoder, without the family."""
        tag = f",pretrained={self.pretrained}" if self.pretrained else ""
        return f"{self.name}{tag}" + (f",weights={self.weights}" if self.weights is not None else "")

    @cached_property
    def known(self) -> Known:
        """What open_clip knows of the pair; a pair of a hub has its config fetched.

        Raises:
            InputError: an unknown name or tag, a tag that does not fit the name, a config that cannot be read.
        """
        if self.name.startswith((HUB, FOLDER)):
            return self._of_file()
        models, name = library(), self._architecture
        model = models.get_model_config(name)
        if model is None:
            near = nearest(name, models.list_models())
            raise InputError(f"open_clip has no model {self.name!r}" + (f"; the nearest is {near!r}" if near else ""))
        return Known(model, self._preprocess(self._tagged(model)))

    @property
    def _architecture(self) -> str:
        return self.name.replace("/", "-")

    def _of_file(self) -> Known:
        place = self.name.partition(":")[2]
        if self.pretrained:
            raise InputError(f"{self.name} has weights of its own; remove pretrained = {self.pretrained!r}")
        path = fetched(place, (CONFIG,)) if self.name.startswith(HUB) else Path(place).expanduser() / CONFIG
        values = read_json(path, "a config of open_clip")
        model = values.get("model_cfg") if isinstance(values, dict) else None
        if not isinstance(model, dict) or not all(isinstance(model.get(k), dict) for k in ("vision_cfg", "text_cfg")):
            raise InputError(f"{path} is no config of open_clip: it has no model_cfg with a vision_cfg and a text_cfg")
        return Known(model, self._preprocess(values.get("preprocess_cfg") or {}))

    def _preprocess(self, given: dict[str, Any]) -> dict[str, Any]:
        transform = library().transform
        values: dict[str, Any] = transform.merge_preprocess_dict(transform.PreprocessCfg(), given)
        return values

    def _tagged(self, model: dict[str, Any]) -> dict[str, Any]:
        """What open_clip knows of the weights of the tag; {} without a tag."""
        if not self.pretrained:
            return {}
        of_tags, name = library().pretrained, self._architecture
        found: dict[str, Any] = of_tags.get_pretrained_cfg(name, self.pretrained)
        if not found:
            tags = ", ".join(of_tags.list_pretrained_tags_by_model(name)) or "none"
            raise InputError(f"open_clip has no weights {self.pretrained!r} of {self.name}; it has: {tags}")
        if bool(found.get("quick_gelu")) != bool(model.get("quick_gelu")):
            other = name.removesuffix("-quickgelu") if model.get("quick_gelu") else f"{name}-quickgelu"
            raise InputError(f"weights {self.pretrained!r} were trained with another GELU; the name is {other!r}")
        return found

    @property
    def image_size(self) -> int | list[int]:
        """The side of the square that its image tower reads, in pixels; (height, width) if it is no square."""
        size: int | list[int] = self.known.model["vision_cfg"].get("image_size", 224)
        return size

    @cached_property
    def file(self) -> Path | None:
        """Its file of weights, fetched if needed; None if it has none.

        Raises:
            InputError: no such file; the weights cannot be fetched.
        """
        if self.weights is not None:
            return file_in(self.weights.expanduser())
        place = self.name.partition(":")[2]
        if self.name.startswith(FOLDER):
            return file_in(Path(place).expanduser())
        if self.name.startswith(HUB):
            return fetched(place, WEIGHTS[:2])
        if not self.pretrained:
            return None
        tag = self._tagged(self.known.model)
        if tag.get("hf_hub"):
            repository, _, file = tag["hf_hub"].rpartition("/")
            safe = (f"{Path(file).stem}.safetensors",) if file.endswith((".bin", ".pth")) else ()
            return fetched(repository, (*safe, file) if file else WEIGHTS[:2])
        return _from_address(tag["url"])

    def load(self) -> Any:
        """The whole model in evaluation mode, with its weights; nothing is unpickled.

        Raises:
            InputError: weights that are missing or do not fit.
        """
        if self.file is None:
            raise InputError(f"{self.name} has no weights; give pretrained = TAG or weights = FILE")
        model = made(self.known.model, self.name)
        try:
            if self.file.suffix != ".safetensors":
                check_stored(self.file)
            library().load_checkpoint(model, str(self.file), weights_only=True)
        except Exception as error:  # torch raises many kinds on a broken file
            raise InputError(f"{self.file} cannot be read as weights of {self.name} ({_short(error)})") from error
        return model.eval()

    def tokenizer(self) -> Any:
        """A function from a list of texts to tokens, (text, token); it cleans texts as the model wants it.

        Raises:
            InputError: it cannot be fetched or read.
        """
        hub = self.known.model["text_cfg"].get("hf_tokenizer_name")
        if hub and not self.name.startswith(FOLDER):
            fetched(hub, TOKENIZER_FILES)
        safe = {"trust_remote_code": False} if hub else {}  # a config must not run code
        try:
            return library().get_tokenizer(self.name if ":" in self.name else self._architecture, **safe)
        except Exception as error:  # transformers raises many kinds
            raise InputError(f"the tokenizer of {self.name} cannot be read ({_short(error)})") from error

    def revision(self) -> str:
        """The hash of all that decides a vector: the weights, the architecture, and the tokenizer of a folder."""
        digest = hashlib.sha256(json.dumps(self.known.model, sort_keys=True).encode())
        files = [self.file] if self.file is not None else []
        if self.name.startswith(FOLDER):
            folder = Path(self.name.removeprefix(FOLDER)).expanduser()
            files += sorted(path for path in folder.iterdir() if path.suffix in (".txt", ".model"))
            files += sorted(folder.glob("*token*.json"))
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return f"sha256 {digest.hexdigest()[:16]}"


def made(model: dict[str, Any], name: str) -> Any:
    """A model with random weights.

    Args:
        model: as in `Known`.
        name: for messages.
    Raises:
        InputError: arguments that open_clip does not take.
    """
    classes, values = library(), copy.deepcopy(model)
    text, vision = values["text_cfg"], values["vision_cfg"]
    if text.get("hf_model_name"):
        text["hf_model_pretrained"] = False
    if vision.get("timm_model_name"):
        vision["timm_model_pretrained"] = False
    kind = classes.CLIP
    if values.pop("custom_text", False) or text.get("hf_model_name"):
        kind = classes.CoCa if "multimodal_cfg" in values else classes.CustomTextCLIP
    try:
        return kind(**values)
    except Exception as error:  # its parts raise many kinds
        raise InputError(f"open_clip cannot make {name} ({_short(error)})") from error


def file_in(path: Path) -> Path:
    """The file itself, or the file of weights in a folder.

    Raises:
        InputError: there is none, or several from which none can be chosen.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"no weights file {path}")
    usual = [path / name for name in WEIGHTS if (path / name).is_file()]
    others = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES)
    if not usual and len(others) != 1:
        raise InputError(f"{path} has {len(others)} files that may be weights; give the file")
    return (usual or others)[0]


def fetched(repository: str, files: tuple[str, ...]) -> Path:
    """The first of these files that a repository of the hub has; from the cache, else fetched.

    Without a network this fails within seconds; the hub's own client retries for most of a minute.

    Raises:
        InputError: it cannot be fetched.
    """
    from huggingface_hub import get_session, hf_hub_download, hf_hub_url, try_to_load_from_cache

    told = f"{files[0]} of {repository} cannot be fetched ({{}}); on a machine with network, run hf download "
    told += f"{repository} --local-dir FOLDER, and give weights = FOLDER, or the name {FOLDER}FOLDER"
    for file in files:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    try:
        get_session().head(hf_hub_url(repository, files[0]), timeout=HUB_SECONDS)
    except Exception as error:  # the hub's client may use several HTTP libraries
        raise InputError(told.format(_short(error))) from error
    for file in files:
        try:
            return Path(hf_hub_download(repository, file))
        except Exception as error:
            last = error
    raise InputError(told.format(_short(last))) from last


def _from_address(address: str) -> Path:
    """A file of weights outside of the hub; open_clip checks its hash, and keeps it."""
    kept = Path("~/.cache/clip").expanduser() / address.rpartition("/")[2]
    try:
        if not kept.is_file():
            from huggingface_hub import get_session

            get_session().head(address, timeout=HUB_SECONDS)
        return Path(library().pretrained.download_pretrained_from_url(address))
    except Exception as error:
        remedy = "fetch it on a machine with network, and give weights = FILE"
        raise InputError(f"{address} cannot be fetched ({_short(error)}); {remedy}") from error


def _short(error: BaseException) -> str:
    """An error's message on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
