"""Text from a model: one pass over the prompts, then one token per row and step, with a key-value cache.

Prompts of different lengths are padded on the left, so that all rows write their next token in the same column. A row
that has ended stays in the batch and what it goes on to write is thrown away. Left out: beam search, repetition
penalties, and speculative decoding. The random numbers come from a generator of this call: torch's global one is
not touched.

Shape legend: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from racecourse.models.cache import KVCache, repeat_rows
from racecourse.models.text_stream import TextStream

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer


def keep_top_k(logits_BV: Float[Tensor, "B V"], top_k: int) -> Float[Tensor, "B V"]:
    """Minus infinity for all but the `top_k` largest logits of each row. Ties with the smallest kept one stay."""
    smallest_kept_B1 = logits_BV.topk(top_k).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < smallest_kept_B1, float("-inf"))


def keep_top_p(logits_BV: Float[Tensor, "B V"], top_p: float) -> Float[Tensor, "B V"]:
    """Minus infinity outside the nucleus: the fewest likeliest tokens that together reach `top_p` (Holtzman 2019).

    The token that crosses the line is kept, so the nucleus is never empty.

    >>> probs = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    >>> keep_top_p(probs.log(), 0.7).softmax(-1)  # 0.5 does not reach 0.7, 0.5 + 0.3 does
    tensor([[0.6250, 0.3750, 0.0000, 0.0000]])
    """
    sorted_BV, order_BV = logits_BV.sort(descending=True)
    probs_BV = sorted_BV.softmax(-1)
    reached_before_BV = probs_BV.cumsum(-1) - probs_BV  # by the likelier tokens alone
    kept_BV = sorted_BV.masked_fill(reached_before_BV >= top_p, float("-inf"))
    return torch.empty_like(kept_BV).scatter(-1, order_BV, kept_BV)  # back to the vocabulary's order


def sample(
    logits_BV: Float[Tensor, "B V"],
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B"]:
    """Choose one token per row: the likeliest at temperature 0, else drawn from softmax(logits / temperature).

    `top_k` is applied before `top_p`, as in transformers.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    logits_BV = logits_BV.float() / temperature  # float32: a sum over 50,000 probabilities drifts in bfloat16
    if top_k is not None:
        logits_BV = keep_top_k(logits_BV, top_k)
    if top_p is not None and top_p < 1:  # 1 keeps everything: the sort is saved
        logits_BV = keep_top_p(logits_BV, top_p)
    return torch.multinomial(logits_BV.softmax(-1), num_samples=1, generator=generator)[:, 0]


def pad_left(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B"]]:
    """Rows of ids as one tensor, and how many padding tokens each row got in front.

    >>> pad_left([[5, 6, 7], [8]], pad_id=0)
    (tensor([[5, 6, 7],
            [0, 0, 8]]), tensor([0, 2]))
    """
    longest = max(len(row) for row in rows)
    n_pad = [longest - len(row) for row in rows]
    padded = [[pad_id] * n + list(row) for n, row in zip(n_pad, rows, strict=True)]
    return torch.tensor(padded), torch.tensor(n_pad)


@torch.inference_mode()
def generate_ids(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    n_samples: int = 1,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    eos_ids: Sequence[int] = (),
    pad_id: int = 0,
    seed: int | None = None,
    on_id: Callable[[int, int], bool] | None = None,
) -> list[list[int]]:
    """The new ids of each row, without the prompt: `n_samples` rows for each prompt, side by side.

    A prompt is read once, however many samples continue it. A row that ends by itself ends in one of `eos_ids`; one
    that does not was cut off. `on_id(row, id)` sees every new id; when it returns True that row ends. `seed=None` draws
    a new seed.

    Raises:
        ValueError: an empty prompt, settings out of range, or more tokens than the model's context.
    """
    _check(model, prompts, max_new_tokens, temperature, top_k, top_p)
    n_rows = len(prompts) * n_samples
    new_ids: list[list[int]] = [[] for _ in range(n_rows)]
    if not prompts or max_new_tokens == 0:
        return new_ids
    weight = next(model.parameters())
    ids_BT, n_pad_B = (tensor.to(weight.device) for tensor in pad_left(prompts, pad_id))
    cache = KVCache(
        model.config,
        batch_size=len(prompts),
        max_tokens=ids_BT.shape[1] + max_new_tokens - 1,  # the last new token is never read
        device=weight.device,
        dtype=weight.dtype,
        n_pad_B=n_pad_B if n_pad_B.any() else None,  # no padding: attention needs no mask
    )
    generator = _generator(weight.device, seed)
    running = set(range(n_rows))
    for step in range(max_new_tokens):
        logits_BV = model(ids_BT, cache=cache, last_only=True)[:, -1]
        if step == 0 and n_samples > 1:
            repeat_rows(cache, n_samples)
            logits_BV = logits_BV.repeat_interleave(n_samples, dim=0)
        ids_B = sample(logits_BV, temperature, top_k, top_p, generator)
        for row, token_id in enumerate(ids_B.tolist()):
            if row in running:
                new_ids[row].append(token_id)
                wants_stop = on_id is not None and on_id(row, token_id)
                if token_id in eos_ids or wants_stop:
                    running.remove(row)
        if not running:
            break
        ids_BT = ids_B[:, None]
    return new_ids


def _generator(device: torch.device, seed: int | None) -> torch.Generator:
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()  # a new one always starts from the same number
    else:
        generator.manual_seed(seed)
    return generator


def _check(model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int, temperature: float,
           top_k: int | None, top_p: float | None) -> None:  # fmt: skip
    vocab_size, context = model.config.vocab_size, model.config.max_context
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens={max_new_tokens} is negative")
    if temperature < 0:
        raise ValueError(f"temperature={temperature} is negative; 0 takes the likeliest token")
    if top_k is not None and not 1 <= top_k <= vocab_size:
        raise ValueError(f"top_k={top_k} is not between 1 and the vocabulary's {vocab_size}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p} is not above 0 and at most 1")
    for row, ids in enumerate(prompts):
        if not ids:
            raise ValueError(f"prompt {row} is empty: a model continues a text, so give it at least one token")
        if len(ids) + max_new_tokens > context:
            raise ValueError(
                f"prompt {row} has {len(ids)} tokens and max_new_tokens={max_new_tokens} makes "
                f"{len(ids) + max_new_tokens}, but the model's context is {context}: shorten one of them"
            )


def generate(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: str | Sequence[str] = (),
    seed: int | None = None,
    on_text: Callable[[int, str], None] | None = None,
) -> list[str]:
    """Continue every prompt; the new text of each, without the prompt.

    A row ends at one of the tokenizer's `eos_ids`, before the first of the `stop` strings, or after `max_new_tokens`.
    `on_text(row, piece)` is called while the text grows; the pieces of a row join to its result.

    Raises:
        ValueError: as `generate_ids`; also an empty stop string, or prompts that are one string.
    """
    if isinstance(prompts, str):
        raise ValueError(f"prompts must be a list of texts, got the string {prompts[:40]!r}: put it in a list")
    stop = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stop:
        raise ValueError(f"stop={stop!r} holds an empty string, which would end every text at once")

    def emit_for(row: int) -> Callable[[str], None]:
        return lambda piece: on_text(row, piece) if on_text is not None else None

    streams = [TextStream(tokenizer, stop, emit_for(row)) for row in range(len(prompts))]

    def on_id(row: int, token_id: int) -> bool:
        return token_id not in tokenizer.eos_ids and streams[row].push(token_id)

    generate_ids(
        model,
        [tokenizer.encode(prompt) for prompt in prompts],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        eos_ids=tokenizer.eos_ids,
        pad_id=tokenizer.pad_id,
        seed=seed,
        on_id=on_id,
    )
    return [stream.finish() for stream in streams]
