"""Banks from label names: `build_bank` makes one, `extend_bank` adds labels to one."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, compress
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from embeddings.banks.bank import Bank
from embeddings.banks.bank_file import Provenance, checked
from embeddings.banks.encoding import encode
from embeddings.banks.pooling import pooled, pooled_notes
from embeddings.banks.similarity import told_apart
from embeddings.banks.transforms import Transform, fit_transforms, transformed
from embeddings.encoders.encoder import Opened, Request, TagLists
from embeddings.encoders.given import OBJECT
from embeddings.encoders.oov import DEFAULT_POLICY, check_policy
from embeddings.encoders.table import AnyEncoder, by_order, open_encoder, parts_of, split_spec
from embeddings.io.errors import InputError, InputWarning
from embeddings.io.mapping import IN_MEMORY, blocks, collected
from embeddings.io.names import distinct_names
from embeddings.io.progress import Progress, silent
from embeddings.texts import Aliases, Descriptions, texts_of


def build_bank(
    labels: Sequence[str],
    encoder: AnyEncoder,
    *,
    num_seen: int | None = None,
    prompts: str | Sequence[str] = "{}",
    descriptions: Descriptions | None = None,
    aliases: Aliases | None = None,
    oov: str | Sequence[str] = DEFAULT_POLICY,
    transforms: str | Sequence[str] = (),
    seed: int = 0,
    tag_lists: TagLists | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Bank:
    """Encodes label names.

    A label with several texts (prompts or descriptions) gets the mean of their vectors, each scaled to norm 1. The
    vectors of encoders joined by `+` stand side by side as they are; the transform "l2" gives them equal norms.

    Args:
        labels: distinct names, the seen ones first.
        encoder: a spec, `family[:argument]`, several joined by `+` (see `ENCODERS`); or your own object with a method
            `encode(texts)` (see `TextEncoder`), or a function from a list of texts to (text, embed).
        num_seen: number of seen labels, on which transforms are fitted; None counts all labels as seen.
        prompts: templates that hold `{}`, where the name goes.
        descriptions: for each label, one or several texts that are encoded instead of its name.
        aliases: for a label, the name that is encoded instead of its own.
        oov: the policy for names that an encoder's table of words lacks; see `embeddings.encoders.oov`.
        transforms: what to do to the vectors, in order: "l2", "center", "whiten", "pca:WIDTH".
        seed: for encoders that draw random numbers.
        tag_lists: for each training image, its tags; the encoder `corpus` needs them if its spec names no file.
        cache: folder that keeps encoded texts (see `default_cache`); None keeps nothing.
        progress: called with the number of texts encoded.
    Returns:
        the bank, with one vector per label; labels that the policy skips are left out.
    Raises:
        InputError: an unknown family, labels for which the encoder has no vector, a template without `{}`, label names
            that cannot be used.

    >>> bank = build_bank(["sky", "polar bear"], "lexical:64", prompts="a photo of a {}")
    >>> bank.vectors.shape
    (2, 64)
    """
    names, prompts, oov, transforms = _names(labels), _tuple(prompts), _tuple(oov), _tuple(transforms)
    wanted = _Wanted(names, num_seen, prompts, oov, transforms, descriptions, aliases, seed, tag_lists)
    return wanted.bank(encoder, cache, progress)


@dataclass(frozen=True)
class _Wanted:
    """The arguments of `build_bank` except the encoder; the fields have the same meaning."""

    labels: tuple[str, ...]
    num_seen: int | None
    prompts: tuple[str, ...]
    oov: tuple[str, ...]
    transforms: tuple[str, ...]
    descriptions: Descriptions | None
    aliases: Aliases | None
    seed: int
    tag_lists: TagLists | None

    def bank(self, encoder: AnyEncoder, cache: Path | None, progress: Progress) -> Bank:
        """The bank of these labels, made with an encoder."""
        first = self._first_unseen()
        check_policy(self.oov)
        texts = texts_of(self.labels, self.prompts, self.descriptions, self.aliases)
        self._check_order(encoder)
        request = Request(texts.distinct, self.oov, self.seed, self.tag_lists)
        opened = open_encoder(encoder, request)
        encoded = [encode(part, request, cache, progress) for part in opened]
        kept, vectors = pooled(texts, encoded)
        notes = pooled_notes(texts, [part.spec for part in opened], encoded)
        num_seen = int(kept[:first].sum())
        if not num_seen:
            raise InputError(
                "no seen label is left in the bank; the policy for names out of vocabulary skipped them all"
            )
        labels = tuple(compress(self.labels, kept))
        skipped = tuple(label for label, keep in zip(self.labels, kept, strict=True) if not keep)
        made = Provenance(
            "+".join(part.spec for part in opened),
            " + ".join(bank.provenance.revision for bank in encoded),
            self.prompts,
            _hash_of_descriptions(self.descriptions, skipped + labels),
            self.oov,
            self.seed,
            skipped,
            _remarks(opened, encoded),
        )
        widths = [bank.embed_dim for bank in encoded]
        vectors, fitted = _transformed(self.transforms, labels, vectors, num_seen, widths)
        return Bank(labels, vectors, made, tuple(compress(notes, kept)), num_seen, fitted, verified=True)

    def _first_unseen(self) -> int:
        count = len(self.labels)
        first = count if self.num_seen is None else self.num_seen
        if not 0 < first <= count:
            raise InputError(f"num_seen is {first}, but there are {count} labels, the seen ones first")
        return first

    def _check_order(self, encoder: AnyEncoder) -> None:
        """Refuses prompts, aliases and descriptions for an encoder that matches vectors to labels by their order."""
        plain = self.prompts == ("{}",) and self.descriptions is None and not self.aliases
        for part in filter(by_order, split_spec(encoder) if isinstance(encoder, str) else ()):
            if not plain:
                raise InputError(
                    f"encoder {part} matches vectors to labels by order; it takes no prompts, aliases or descriptions"
                )


def _transformed(
    names: Sequence[str], labels: Sequence[str], vectors: np.ndarray, num_seen: int, widths: Sequence[int]
) -> tuple[np.ndarray, tuple[Transform, ...]]:
    """The vectors after the transforms, in memory if they are small, and the transforms fitted on the seen labels."""
    # a single thread, because the number of threads changes the last bits
    with threadpool_limits(1):
        fitted = fit_transforms(names, vectors[:num_seen], widths)
        if fitted:
            after, remedy = f"after {', '.join(names)}, label", "leave it out, or choose other transforms"
            vectors = collected(checked(transformed(vectors, fitted), labels, after, remedy), len(vectors))
    if vectors.nbytes <= IN_MEMORY and not vectors.flags.writeable:
        vectors = np.array(vectors)
    return vectors, fitted


def extend_bank(
    bank: Bank,
    labels: Sequence[str],
    encoder: AnyEncoder | None = None,
    *,
    descriptions: Descriptions | None = None,
    aliases: Aliases | None = None,
    tag_lists: TagLists | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Bank:
    """Adds unseen labels to a bank, encoded and transformed in the same way as the bank's own labels.

    Args:
        bank: the bank; its labels keep their vectors.
        labels: the new names; none of them is in the bank.
        encoder: the object that the bank was made with, or a spec with which its weights are found in another place;
            None takes the bank's own spec.
        descriptions: for each new label, one or several texts; required if the bank was made with descriptions, else
            not allowed.
        aliases: for a new label, the name that is encoded instead of its own.
        tag_lists: for each training image, its tags; needed if the bank's encoder is `corpus` without a file.
        cache: folder that keeps encoded texts; None keeps nothing.
        progress: called with the number of texts encoded.
    Returns:
        a new bank, with the new labels after the bank's own; `bank` is not changed.
    Raises:
        InputError: same as for `build_bank`; a label that is in the bank already; an encoder that is not the bank's, or
            whose weights have changed; descriptions that are missing or not allowed.

    >>> bank = build_bank(["sky", "dog"], "lexical:64", transforms=["center"])
    >>> longer = extend_bank(bank, ["polar bear"])
    >>> longer.seen, longer.unseen
    (('sky', 'dog'), ('polar bear',))
    """
    made = bank.provenance
    labels = _names(labels)
    _check_new(bank, labels, encoder, descriptions)
    new = build_bank(
        labels,
        made.encoder if encoder is None else encoder,
        prompts=made.prompts,
        descriptions=descriptions,
        aliases=aliases,
        oov=made.oov,
        seed=made.seed,
        tag_lists=tag_lists,
        cache=cache,
        progress=progress,
    )
    return _joined(bank, new)


def _check_new(
    bank: Bank, labels: Sequence[str], encoder: AnyEncoder | None, descriptions: Descriptions | None
) -> None:
    made = bank.provenance
    known = set(bank.labels)
    twice = [label for label in labels if label in known]
    if twice:
        raise InputError(f"label {twice[0]!r} is in the bank already; remove it from the new ones")
    if encoder is None and made.encoder.startswith(OBJECT):
        name = made.encoder.removeprefix(OBJECT)
        raise InputError(f"the bank was made with an object, {name}; from Python, give extend_bank the same object")
    if encoder is None and any(map(by_order, split_spec(made.encoder))):
        raise InputError(f"encoder {made.encoder} matches vectors to labels by order, so its bank cannot be extended")
    if (descriptions is None) != (not made.descriptions):
        remedy = "give some for the new labels" if made.descriptions else "leave them out"
        raise InputError(f"the bank's labels have {'' if made.descriptions else 'no '}descriptions: {remedy}")


def _joined(bank: Bank, new: Bank) -> Bank:
    """The bank followed by the labels of `new`, which the same encoder made; the bank's transforms are applied."""
    made, added = bank.provenance, new.provenance
    if not same_families(added.encoder, made.encoder):
        raise InputError(f"the bank was made with encoder {made.encoder}, not {added.encoder}; give the bank's own")
    if added.revision != made.revision:
        raise InputError(
            f"encoder {made.encoder} is now {added.revision!r}, but the bank was made with {made.revision!r}; "
            "restore it, or build the whole bank again"
        )
    width = bank.transforms[0].width if bank.transforms else bank.embed_dim
    if new.embed_dim != width:
        raise InputError(f"encoder {added.encoder} makes vectors of width {new.embed_dim}, the bank's own of {width}")
    with threadpool_limits(1):
        treated = checked(transformed(new.vectors, bank.transforms), new.labels, "label", "leave it out")
        vectors = collected(chain(blocks(bank.vectors), treated), len(bank) + len(new))
    hashes = sha256(f"{made.descriptions} {added.descriptions}".encode()).hexdigest() if made.descriptions else ""
    remarks = tuple(dict.fromkeys(made.remarks + added.remarks))
    provenance = replace(made, descriptions=hashes, skipped=made.skipped + added.skipped, remarks=remarks)
    labels, notes = bank.labels + new.labels, bank.notes + new.notes
    return Bank(labels, vectors, provenance, notes, bank.num_seen, bank.transforms, verified=True)


def same_families(encoder: str, other: str) -> bool:
    """Whether two specs are equal, or differ only in the arguments of their families: files may lie in another place.

    Revisions then tell whether the weights are the same.

    >>> same_families("gensim:here/v.txt+lexical:64", "gensim:there/v.txt+lexical:64")
    True
    """
    if encoder == other or OBJECT in encoder + other:
        return encoder == other
    one, two = ([part.partition(":")[0] for part in parts_of(spec)] for spec in (encoder, other))
    return one == two


def _tuple(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    if not labels:
        raise InputError("there is no label to encode")
    return distinct_names(labels, "the labels")


def _hash_of_descriptions(descriptions: Descriptions | None, labels: Sequence[str]) -> str:
    if descriptions is None:
        return ""
    given = {label: descriptions[label] for label in labels if label in descriptions}
    used = {label: [texts] if isinstance(texts, str) else list(texts) for label, texts in given.items()}
    return sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()


def _remarks(opened: Sequence[Opened], encoded: Sequence[Bank]) -> tuple[str, ...]:
    """What a user should know about the encoders; each remark is also issued as a warning.

    Raises:
        InputError: an encoder gives the same vector to many texts.
    """
    remarks = []
    for part, bank in zip(opened, encoded, strict=True):
        advice = part.family.apart
        alike = told_apart(bank, f"encoder {part.spec}", advice) if advice else ""
        remarks += [f"{part.spec}: {remark}" for remark in (*bank.provenance.remarks, alike) if remark]
    for remark in remarks:
        warnings.warn(remark, InputWarning, stacklevel=4)
    return tuple(remarks)
