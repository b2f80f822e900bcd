"""Data for training that needs no download: Python's own standard library as text, and tasks made by a formula.

A corpus hands out batches as a pure function of (step, batch_size, seed). Nothing remembers where it was, so a run that
was killed and is started again sees exactly the batches that it would have seen. Left out: streaming, packing of
several documents with masks between them, and deduplication.

Shape letters: B rows, T tokens of a row. A target of -100 is not judged (torch's own `ignore_index`).
"""

from __future__ import annotations

import sysconfig
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from jaxtyping import Int
from torch import Tensor

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer

NOT_JUDGED = -100
EVALUATION_ROWS = 2048  # of a task whose rows are made up: there are no more to judge by
TOKENIZER = Path(__file__).parent / "data" / "python_tokenizer"  # 512 tokens, trained on the text below
# generated tables, tests, and old code that Python's makers keep for compatibility: long, and unlike what people write
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "encodings", "site-packages", "dist-packages", "__pycache__"}


class Batch(NamedTuple):
    """What goes in, and what should come out: the target at place t is the token that follows place t."""

    ids_BT: Int[Tensor, "B T"]
    targets_BT: Int[Tensor, "B T"]

    def to(self, device: torch.device | str) -> Batch:
        return Batch(self.ids_BT.to(device), self.targets_BT.to(device))


class Corpus(Protocol):
    """What `train` needs of a corpus."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def context(self) -> int: ...

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        """The batch of one training step; the same arguments give the same batch."""

    def evaluation(self, n_rows: int) -> Batch:
        """The first `n_rows` of a fixed set of rows to judge by."""


def generator(*numbers: int) -> torch.Generator:
    """A random generator that depends on all the numbers and on nothing else."""
    return torch.Generator().manual_seed(zlib.crc32(repr(numbers).encode()))


def judged(rows_BS: Int[Tensor, "B S"], judge_S: Tensor | None = None) -> Batch:
    """Rows to (input, target one place later); `judge_S` is True for the tokens of a row that count."""
    targets_BT = rows_BS[:, 1:].clone()
    if judge_S is not None:
        targets_BT[:, ~judge_S[1:]] = NOT_JUDGED
    return Batch(rows_BS[:, :-1].contiguous(), targets_BT)


# ---------------------------------------------------------------------------------------------------------------- text


def python_files() -> list[Path]:
    """The modules of the standard library that people wrote, in a fixed order: 500 to 600 files, 7 to 8 MB."""
    library = Path(sysconfig.get_path("stdlib"))
    files = [path for path in library.rglob("*.py") if not LEFT_OUT & set(path.relative_to(library).parts)]
    files = [path for path in files if not path.name.startswith("_sysconfigdata")]  # a dump of build settings
    return sorted(files, key=lambda path: path.relative_to(library).as_posix())


def is_held_out(path: Path) -> bool:
    """One file in ten or so, chosen by its name, is never trained on."""
    return zlib.crc32(path.name.encode()) % 10 == 0


def python_text(held_out: bool) -> str:
    """All training files, or all held-out ones, as one text; a file ends in a form feed."""
    files = [path for path in python_files() if is_held_out(path) == held_out]
    return "\f".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def train_tokenizer(text: str, vocab_size: int, folder: Path) -> Tokenizer:
    """Byte-level BPE learned from `text`, written to `folder` in Hugging Face's format; no byte is unknown to it."""
    import json

    import tokenizers

    from racecourse.models.tokenizer import Tokenizer

    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(text.splitlines(keepends=True), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}) + "\n", encoding="utf-8")
    return Tokenizer.from_folder(folder)


class TextCorpus:
    """Windows of a long text. Each window is trained on once before any is repeated."""

    def __init__(self, ids: Sequence[int], held_out_ids: Sequence[int], *, vocab_size: int, context: int) -> None:
        self.vocab_size, self.context = vocab_size, context
        self.windows, self.held_out = self._cut(ids), self._cut(held_out_ids)

    def _cut(self, ids: Sequence[int]) -> Int[Tensor, "W S"]:
        """Windows of context + 1 tokens; the last token of one is the first of the next, so that each is a target."""
        ids_N = torch.as_tensor(ids, dtype=torch.int32)
        if len(ids_N) <= self.context:
            raise ValueError(f"{len(ids_N)} tokens do not fill one window of {self.context + 1}; lower context")
        return ids_N.unfold(0, self.context + 1, self.context)

    @property
    def n_tokens(self) -> int:
        """Tokens that can be trained on before one is repeated."""
        return len(self.windows) * self.context

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        first = step * batch_size
        epoch, place = divmod(first, len(self.windows))
        rows = self._order(epoch, seed)[place : place + batch_size]
        if len(rows) < batch_size:  # the batch reaches into the next epoch
            rows = torch.cat((rows, self._order(epoch + 1, seed)[: batch_size - len(rows)]))
        return judged(self.windows[rows].long())

    def _order(self, epoch: int, seed: int) -> Tensor:
        """The windows' order in one epoch; the last one asked for is kept."""
        if getattr(self, "_kept", (None,))[0] != (epoch, seed):
            self._kept = (epoch, seed), torch.randperm(len(self.windows), generator=generator(seed, epoch))
        return self._kept[1]

    def evaluation(self, n_rows: int) -> Batch:
        """Windows spread evenly over the held-out files."""
        rows = torch.linspace(0, len(self.held_out) - 1, min(n_rows, len(self.held_out))).long()
        return judged(self.held_out[rows].long())


def python_corpus(context: int = 128, tokenizer: Tokenizer | None = None) -> TextCorpus:
    """The standard library of the Python that runs this, as tokens: some 4 million. Takes about 5 s.

    Held-out windows come from files that are never trained on. Another version of Python has a slightly other text.
    """
    from racecourse.models.tokenizer import Tokenizer

    tokenizer = tokenizer or Tokenizer.from_folder(TOKENIZER)
    ids, held_out = (tokenizer.encode(python_text(held_out)) for held_out in (False, True))
    return TextCorpus(ids, held_out, vocab_size=tokenizer.vocab_size, context=context)


# --------------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class FactRecall:
    """Random facts: a key of some symbols and its value. Nothing but memory can know them.

    A row is the key followed by the value; the value's symbols are judged. There is nothing held out: the evaluation
    asks for facts that were trained on, and a model without memory is right by chance, 1 in `n_symbols`.
    """

    n_facts: int = 20_000
    n_symbols: int = 64
    key_length: int = 3
    value_length: int = 3
    world: int = 0  # another world has other facts

    def __post_init__(self) -> None:
        if self.n_facts > self.n_symbols**self.key_length:
            possible = self.n_symbols**self.key_length
            raise ValueError(f"n_facts={self.n_facts} exceeds the {possible} keys there are; raise key_length")

    @property
    def vocab_size(self) -> int:
        return self.n_symbols

    @property
    def context(self) -> int:
        return self.key_length + self.value_length - 1

    @property
    def bits(self) -> float:
        """What knowing all facts by heart takes."""
        return self.n_facts * self.value_length * torch.tensor(self.n_symbols).log2().item()

    @cached_property
    def rows(self) -> Int[Tensor, "n_facts S"]:
        """All facts; keys are distinct."""
        random = generator(self.world, self.n_facts)
        numbers = torch.randperm(self.n_symbols**self.key_length, generator=random)[: self.n_facts]
        places = self.n_symbols ** torch.arange(self.key_length)
        keys = numbers[:, None] // places % self.n_symbols
        values = torch.randint(self.n_symbols, (self.n_facts, self.value_length), generator=random)
        return torch.cat((keys, values), dim=1)

    def _judged(self, rows_BS: Tensor) -> Batch:
        return judged(rows_BS, torch.arange(rows_BS.shape[1]) >= self.key_length)

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        which = torch.randint(self.n_facts, (batch_size,), generator=generator(seed, step))
        return self._judged(self.rows[which])

    def evaluation(self, n_rows: int) -> Batch:
        return self._judged(self.rows[:n_rows])


@dataclass(frozen=True)
class AssociativeRecall:
    """Pairs of a key and a value, new in every row, and then some of the keys again: which value went with each?

    Nothing can be learned by heart. A row is `k v k v ... k v` followed by `n_queries` times `k v`; the values of the
    second part are judged.
    """

    n_pairs: int = 8
    n_keys: int = 28
    n_values: int = 28
    n_queries: int = 4

    def __post_init__(self) -> None:
        if max(self.n_pairs, self.n_queries) > self.n_keys or self.n_queries > self.n_pairs:
            raise ValueError(
                f"n_queries={self.n_queries}, n_pairs={self.n_pairs}, n_keys={self.n_keys}: "
                "each must be at most the next"
            )

    @property
    def vocab_size(self) -> int:
        return self.n_keys + self.n_values

    @property
    def context(self) -> int:
        return 2 * (self.n_pairs + self.n_queries) - 1

    def _rows(self, n_rows: int, random: torch.Generator) -> Batch:
        keys_BP = torch.rand(n_rows, self.n_keys, generator=random).argsort(-1)[:, : self.n_pairs]
        values_BP = self.n_keys + torch.randint(self.n_values, keys_BP.shape, generator=random)
        asked_BQ = torch.rand(n_rows, self.n_pairs, generator=random).argsort(-1)[:, : self.n_queries]
        pairs = torch.stack((keys_BP, values_BP), dim=-1)  # (B, P, 2)
        again = pairs.gather(1, asked_BQ[..., None].expand(-1, -1, 2))
        rows_BS = torch.cat((pairs, again), dim=1).flatten(1)
        place_S = torch.arange(rows_BS.shape[1])
        return judged(rows_BS, (place_S >= 2 * self.n_pairs) & (place_S % 2 == 1))

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        return self._rows(batch_size, generator(seed, step))

    def evaluation(self, n_rows: int) -> Batch:
        rows = self._rows(EVALUATION_ROWS, generator(-1))
        return Batch(rows.ids_BT[:n_rows], rows.targets_BT[:n_rows])


@dataclass(frozen=True)
class LengthTwoPath:
    """Which node lies between start and goal? Edges out of the start and into the goal, shuffled, new in every row.

    Nothing can be learned by heart: all edges have to be compared with all others at once, and exactly one node stands
    on both sides. Token u says "an edge from the start to u", token n_nodes + u "an edge from u to the goal"; the last
    token asks, and the node is judged. After "Mixture of Parrots" (Jelassi et al. 2024, arXiv 2410.19034, section 3),
    which proves that such a task needs width, and that experts are no substitute for it.
    """

    n_nodes: int = 64
    degree: int = 8  # edges on each side

    def __post_init__(self) -> None:
        if 2 * self.degree - 1 > self.n_nodes:
            raise ValueError(f"degree={self.degree} needs {2 * self.degree - 1} nodes, and there are {self.n_nodes}")

    @property
    def vocab_size(self) -> int:
        return 2 * self.n_nodes + 1

    @property
    def context(self) -> int:
        return 2 * self.degree + 1

    def _rows(self, n_rows: int, random: torch.Generator) -> Batch:
        nodes_BN = torch.rand(n_rows, self.n_nodes, generator=random).argsort(-1)
        middle_B1, d = nodes_BN[:, :1], self.degree
        into_goal = torch.cat((middle_B1, nodes_BN[:, d : 2 * d - 1]), dim=1)
        edges_BS = torch.cat((nodes_BN[:, :d], self.n_nodes + into_goal), dim=1)
        shuffled = torch.rand(edges_BS.shape, generator=random).argsort(-1)
        ask_B1 = torch.full_like(middle_B1, 2 * self.n_nodes)
        rows_BS = torch.cat((edges_BS.gather(1, shuffled), ask_B1, middle_B1), dim=1)
        return judged(rows_BS, torch.arange(rows_BS.shape[1]) == rows_BS.shape[1] - 1)

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        return self._rows(batch_size, generator(seed, step))

    def evaluation(self, n_rows: int) -> Batch:
        rows = self._rows(EVALUATION_ROWS, generator(-1))
        return Batch(rows.ids_BT[:n_rows], rows.targets_BT[:n_rows])


@dataclass(frozen=True)
class Domains:
    """Several small languages over the same symbols: in each, a symbol is followed by one of `n_next` others.

    A row is of one language, and which one can only be told from what it looks like. Row i of the evaluation is of
    language i modulo n_domains.
    """

    n_domains: int = 6
    n_symbols: int = 48
    n_next: int = 3
    context: int = 32
    world: int = 0

    @property
    def vocab_size(self) -> int:
        return self.n_symbols

    @cached_property
    def followers(self) -> Int[Tensor, "n_domains n_symbols n_next"]:
        """What may follow each symbol in each language, all equally likely."""
        random = generator(self.world, self.n_domains)
        return torch.rand(self.n_domains, self.n_symbols, self.n_symbols, generator=random).argsort(-1)[
            ..., : self.n_next
        ]

    def language(self, language_B: Int[Tensor, "B"], random: torch.Generator) -> Batch:
        """Rows of the given languages; every symbol but the first is judged."""
        rows = [torch.randint(self.n_symbols, language_B.shape, generator=random)]
        for _ in range(self.context):
            pick_B = torch.randint(self.n_next, language_B.shape, generator=random)
            rows.append(self.followers[language_B, rows[-1], pick_B])
        return judged(torch.stack(rows, dim=1))

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        random = generator(seed, step)
        return self.language(torch.randint(self.n_domains, (batch_size,), generator=random), random)

    def evaluation(self, n_rows: int) -> Batch:
        rows = self.language(torch.arange(EVALUATION_ROWS) % self.n_domains, generator(-1))
        return Batch(rows.ids_BT[:n_rows], rows.targets_BT[:n_rows])
