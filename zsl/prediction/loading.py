"""`load`: a trained model, from the folder of a run, an exported folder, or a model hub."""

from pathlib import Path

from torch import nn

from embeddings.encoders.table import AnyEncoder
from embeddings.io.errors import InputError
from zsl.prediction.model import TrainedModel
from zsl.prediction.model_folder import MODEL, read_model_folder
from zsl.prediction.parts import is_exclusive
from zsl.prediction.trained_run import read_run
from zsl.readouts.readout import Readout

HUB = "hf-hub:"


def load(
    source: Path | str,
    *,
    backbone: nn.Module | None = None,
    readout: Readout | None = None,
    encoder: AnyEncoder | None = None,
) -> TrainedModel:
    """Opens a trained model; the data of its training are not needed.

    Args:
        source: the folder of a finished run, a folder that `zsl export` wrote, or "hf-hub:OWNER/NAME" with an optional
            "@REVISION".
        backbone, readout: the modules that were given to `zsl.fit`, if the model has such; they get its weights.
        encoder: the object that made the model's bank, or a spec with which the same weights are found in another
            place; new words need it. None takes the spec of training.
    Returns:
        the model, on the CPU, ready for prediction.
    Raises:
        InputError: no model there; a damaged or exchanged file; a backbone that is not to be had.
    """
    folder = fetched(source) if isinstance(source, str) and source.startswith(HUB) else Path(source)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give a run, or a folder that zsl export wrote")
    read = read_model_folder if (folder / MODEL).is_file() else read_run
    parts = read(folder, backbone, readout)
    facts = parts.facts
    model = TrainedModel(parts.backbone, parts.readout, is_exclusive(facts.loss), facts, parts.bank, parts.thresholds)
    model.encoder = encoder
    return model.eval()


def fetched(source: str) -> Path:
    """The folder of a model of a hub, which huggingface_hub fetches and keeps.

    Args:
        source: "hf-hub:OWNER/NAME", with an optional "@REVISION".
    Raises:
        InputError: it cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = source.removeprefix(HUB).partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{source} cannot be fetched ({reason}); check the name and the network") from error
