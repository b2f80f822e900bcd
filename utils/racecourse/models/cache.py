"""The key-value cache: what attention needs of earlier tokens, kept so that each is computed once.

One block of memory per layer, allocated up front: appending never copies what is there. Left out: paging, eviction and
quantised caches.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from racecourse.models.config import ModelConfig


class KVCache:
    """Room for `max_tokens` tokens of `batch_size` rows: `k` and `v` are (layers, B, K, max_tokens, C).

    Rows of different lengths are padded on the left; `n_pad_B` says by how much, and the transformer masks that part.
    Multi-head latent attention keeps its latent in place of the keys and the shared rotary key in place of the values.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        max_tokens: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        n_pad_B: Int[Tensor, "B"] | None = None,
    ) -> None:
        heads, k_width, v_width = config.cache_shape
        shape = (config.n_layers, batch_size, heads, max_tokens)
        self.k = torch.zeros(*shape, k_width, device=device, dtype=dtype)
        self.v = torch.zeros(*shape, v_width, device=device, dtype=dtype)
        self.max_tokens = max_tokens
        self.n_pad_B = n_pad_B
        self.length = 0  # tokens held, padding included; the transformer moves it on after its last layer

    @property
    def n_bytes(self) -> int:
        """Bytes of all layers, used or not."""
        return self.k.nbytes + self.v.nbytes

    def append(
        self, layer: int, k_BKTC: Float[Tensor, "B K T C"], v_BKTC: Float[Tensor, "B K T Cv"]
    ) -> tuple[Float[Tensor, "B K S C"], Float[Tensor, "B K S Cv"]]:
        """Store the new tokens of one layer; return all that the layer has, old and new.

        Raises:
            ValueError: more tokens than there is room for.
        """
        start, end = self.length, self.length + k_BKTC.shape[2]
        if end > self.max_tokens:
            raise ValueError(f"the cache holds {self.max_tokens} tokens and {end} are needed; make it larger")
        self.k[layer, :, :, start:end] = k_BKTC
        self.v[layer, :, :, start:end] = v_BKTC
        return self.k[layer, :, :, :end], self.v[layer, :, :, :end]


def repeat_rows(cache: KVCache, n: int) -> None:
    """Every row n times, side by side: n continuations of one prompt begin with the same memory."""
    cache.k, cache.v = cache.k.repeat_interleave(n, dim=1), cache.v.repeat_interleave(n, dim=1)
    if cache.n_pad_B is not None:
        cache.n_pad_B = cache.n_pad_B.repeat_interleave(n)
