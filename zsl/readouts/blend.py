"""A blend: the weighted sum of several readouts' scores, each normalised by its own scores of the seen labels."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Int64
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor, nn

from embeddings.io.errors import InputError
from zsl.readouts.company import Company, chosen_company
from zsl.readouts.looks import Look
from zsl.readouts.members import Member
from zsl.readouts.normalisation import begins_with, normalised, scale_of
from zsl.readouts.readout import Features, Logits, Maps, Readout, ReadoutConfig, Seen, Vectors, checked

Bound = Callable[[Tensor], Tensor]
Scorer = Callable[[Tensor], tuple[Tensor, Tensor]]  # features to scores of labels, and of the seen labels
DEFAULT: Any = ({"kind": "eszsl"}, {"kind": "ml-decoder", "grouping": "similar"})


class BlendConfig(ReadoutConfig):
    """`BlendReadout`; `weights` has a number for each member, and None gives all the same."""

    kind: Literal["blend"] = "blend"
    members: tuple[Member, ...] = Field(DEFAULT, min_length=1, validate_default=True)
    weights: tuple[PositiveFloat, ...] | None = None
    normalise: Literal["image", "none"] = "image"

    @model_validator(mode="after")
    def _a_weight_for_each_member(self) -> "BlendConfig":
        if self.weights is not None and len(self.weights) != len(self.members):
            raise ValueError(f"decoder.weights has {len(self.weights)} numbers for {len(self.members)} members")
        return self

    @property
    def frozen(self) -> str:
        return "trains its members one after another"

    @property
    def reads_vectors(self) -> bool:
        """Whether a member's logits depend on word vectors."""
        return any(member.reads_vectors for member in self.members)

    @property
    def companies(self) -> tuple[Company, ...]:
        """Those of all members."""
        return tuple(dict.fromkeys(company for member in self.members for company in member.companies))

    def make(self, channels: int, embed_dim: int, num_labels: int) -> Readout:
        made, columns = [], []
        for number, member in enumerate(self.members, 1):
            try:
                own = member.read_columns(embed_dim)
                with torch.random.fork_rng(devices=[]):  # each begins with the weights that it would have alone
                    made.append(member.make(channels, own.stop - own.start, num_labels))
            except InputError as error:
                raise InputError(f"members.{number}.{error}") from error
            columns.append(own)
        return BlendReadout(made, (num_labels, embed_dim), self.weights, self.normalise, columns)


class BlendReadout(Readout):
    """`sum_m w_m f_m`, where f_m are the scores of member m, and the weights w_m sum to 1.

    With "image", each member's scores of an image are first standardised: its mean over the seen labels is subtracted,
    and the result is divided by the standard deviation over them. So the scales of the members do not matter. Where a
    vocabulary begins with the seen labels, they are the reference as they are asked there; otherwise they are asked
    beside it.

    Args:
        members: that are blended; they are trained or solved one by one (`zsl.training.fitting`).
        seen: the shape (seen, embed) of the seen labels' word vectors.
        weights: of the members, above 0; they are divided by their sum. None gives all the same.
        normalise: "image" or "none".
        columns: of the word vectors, those that each member reads; None means all.
    Raises:
        InputError: other numbers of weights or columns than of members.
    """

    seen: Tensor

    def __init__(
        self,
        members: Sequence[Readout],
        seen: tuple[int, int],
        weights: Sequence[float] | None = None,
        normalise: Literal["image", "none"] = "image",
        columns: Sequence[slice] | None = None,
    ):
        super().__init__()
        given = (1.0,) * len(members) if weights is None else tuple(weights)
        self.columns = (slice(0, seen[1]),) * len(members) if columns is None else tuple(columns)
        self._known: tuple[Tensor, int, list[Tensor]] | None = None
        if not members or not len(members) == len(given) == len(self.columns):
            told = f"{len(members)} members, {len(given)} weights and {len(self.columns)} columns"
            raise InputError(f"a blend has {told}; give one of each for every member")
        self.members = nn.ModuleList(members)
        self.weights = tuple(weight / sum(given) for weight in given)
        self.normalise, self.embed_dim = normalise, seen[1]
        # NaN until training, so that scores of an untrained readout are an error
        self.register_buffer("seen", torch.full(seen, torch.nan))
        self.companies = tuple(dict.fromkeys(company for member in members for company in member.companies))
        self.reads_whole = all(member.reads_whole for member in members)
        shared = ("attention",) if all("attention" in member.looks for member in members) else ()
        self.looks = (*(("evidence",) if any("evidence" in member.looks for member in members) else ()), *shared)

    def parts(self, vectors: Vectors) -> list[tuple[Readout, Tensor]]:
        """Each member with the columns of word vectors that it reads."""
        members = [member for member in self.members if isinstance(member, Readout)]
        return list(zip(members, self._divided(vectors), strict=True))

    def _divided(self, vectors: Tensor) -> list[Tensor]:
        """The columns of each member; the last ones are kept, since decoders keep the order of groups of a tensor."""
        if all(own == slice(0, self.embed_dim) for own in self.columns):
            return [vectors] * len(self.columns)
        if self._known is not None:
            known, version, parts = self._known
            if known is vectors and version == vectors._version:
                return parts
        parts = [vectors[:, own].contiguous() for own in self.columns]
        # torch does not count changes of inference tensors, and an exported graph has no values
        if not vectors.is_inference() and not torch.compiler.is_compiling():
            self._known = (vectors, vectors._version, parts)
        return parts

    def remember(self, vectors: Vectors | None) -> None:
        """Stores the training labels' vectors, whose scores are the reference of each image."""
        chosen = checked(vectors, self.embed_dim)
        with torch.no_grad():
            self.seen.copy_(chosen)
        for member, own in self.parts(chosen):
            member.remember(own)

    def bind(self, vectors: Vectors | None) -> Callable[[Tensor], Tensor]:
        """Binds every member to a vocabulary, and to the seen labels; None means the labels of training.

        Raises:
            InputError: vectors of another size.
        """
        chosen = self.seen if vectors is None else checked(vectors, self.embed_dim)
        own = zip(self.parts(chosen), self.parts(self.seen.to(chosen.dtype)), strict=True)
        return self._summed([self._scorer(m.bind, v, seen, not m.companies) for (m, v), (_, seen) in own])

    def bind_each(
        self,
        vectors: Vectors,
        company: Company | None = None,
        trained: Seen | None = None,
        without: Int64[Tensor, " label"] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """Same as for every readout; a member that does not have the company is asked in its own best one."""
        chosen_company(company, self.companies, type(self).__name__)
        chosen, scorers = checked(vectors, self.embed_dim), []
        reference = self.seen.to(chosen.dtype) if trained is None else checked(trained, self.embed_dim)
        for (member, v), (_, seen) in zip(self.parts(chosen), self.parts(reference), strict=True):
            bind = _asked(member, company, seen)
            if without is None or not member.companies:
                scorers.append(self._scorer(bind, v, seen, True))
            else:  # a seen label that plays an unseen one is not the seen label of the reference
                played = member.bind_each(v, company if company in member.companies else None, seen, without)
                scorers.append(_apart(played, bind(seen)))
        return self._summed(scorers)

    def _scorer(self, bind: Callable[[Tensor], Bound], vectors: Tensor, seen: Tensor, independent: bool) -> Scorer:
        """A member's scores of labels, with those of the seen labels.

        Args:
            bind: word vectors to a function from features to scores.
            vectors, seen: of the labels, and of the seen labels.
            independent: whether a label's score does not depend on the others, so that all can be asked at once.
        """
        count = len(seen)
        if self.normalise == "none":
            return _apart(bind(vectors), None)
        if begins_with(vectors, seen):
            return _among(bind(vectors), slice(None), slice(count))
        if independent:
            return _among(bind(torch.cat([seen, vectors])), slice(count, None), slice(count))
        return _apart(bind(vectors), bind(seen))

    def _summed(self, scorers: Sequence[Scorer]) -> Bound:
        def logits(features: Tensor) -> Logits:
            parts = []
            for scorer, weight in zip(scorers, self.weights, strict=True):
                found, reference = (_precise(values) for values in scorer(features))
                parts.append(weight * normalised(found, reference, self.normalise))
            return torch.stack(parts).sum(0)

        return logits

    def _looked(
        self, features: Features, vectors: Vectors, company: Company | None, trained: Seen | None, look: Look
    ) -> Maps:
        """The maps add up as the scores do; a member that cannot show them is left out."""
        reference, found = (self.seen if trained is None else trained).to(vectors.dtype), []
        own = zip(self.parts(vectors), self.parts(reference), self.weights, strict=True)
        for (member, v), (_, seen), weight in own:
            if look not in member.looks:
                continue
            maps = member.looked(features, v, company if company in member.companies else None, seen, look)
            if look == "evidence" and self.normalise == "image":
                maps = maps / scale_of(_precise(_asked(member, company, seen)(seen)(features)))[1][:, :, None]
            found.append(weight * maps)
        return torch.stack(found).sum(0)


def _asked(member: Readout, company: Company | None, seen: Tensor) -> Callable[[Tensor], Bound]:
    """A function that binds a member to labels that are each asked by themselves."""
    own = company if company in member.companies else None
    return lambda vectors: member.bind_each(vectors, own, seen)


def _apart(bound: Bound, reference: Bound | None) -> Scorer:
    def scores(features: Tensor) -> tuple[Tensor, Tensor]:
        found = bound(features)
        return found, found if reference is None else reference(features)

    return scores


def _among(bound: Bound, labels: slice, seen: slice) -> Scorer:
    def scores(features: Tensor) -> tuple[Tensor, Tensor]:
        found = bound(features)
        return found[:, labels], found[:, seen]

    return scores


def _precise(values: Tensor) -> Tensor:
    """In float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
