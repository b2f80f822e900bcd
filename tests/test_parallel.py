"""Models on several real processes: the same logits as on one, bytes as the formulas say, and deaths that are named.

Most checks run inside two calls of `run_parallel`, with 2 and with 4 processes: starting a process costs seconds.
"""

import doctest
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from fractions import Fraction
from types import SimpleNamespace
from unittest import mock

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F

from racecourse.hardware import parallel, processes
from racecourse.hardware.parallel import (
    all_to_all,
    bubble_share,
    data_parallel_gradients,
    expert_parallel,
    expert_parallel_bytes,
    idle_share,
    pipeline_bytes,
    pipeline_parallel,
    pipeline_schedule,
    ring_all_reduce,
    ring_bytes,
    shard_experts,
    shard_tensor_parallel,
    sum_of_ranks,
    tensor_config,
    tensor_parallel,
    tensor_parallel_bytes,
)
from racecourse.hardware.processes import Wire, lose_a_rank, run_parallel
from racecourse.models.cache import KVCache
from racecourse.models.config import MLAConfig, ModelConfig, MoEConfig
from racecourse.models.moe import record_routing
from racecourse.models.transformer import Transformer

DENSE = ModelConfig(
    "qwen3", vocab_size=40, d_model=32, n_layers=4, n_heads=8, n_kv_heads=4, head_dim=6, d_ff=48, max_context=16,
    qkv_bias=True, out_bias=True, qk_norm="head",
)  # fmt: skip
MOE = ModelConfig(
    "deepseek_v3", vocab_size=40, d_model=32, n_layers=4, n_heads=8, n_kv_heads=4, head_dim=6, d_ff=48, max_context=16,
    tie_embeddings=True,
    moe=MoEConfig(n_experts=8, top_k=3, d_expert=12, layers=(1, 2, 3), n_shared=1, scores="sigmoid",
                  selection_bias=True),
)  # fmt: skip
B, T, D = 8, 6, 32
LARGE = 1_000_000  # elements


def new_model(config):
    """Every weight random, biases and norms too, so that none is at a value that hides a mistake; logits of about 1."""
    torch.manual_seed(0)
    model = Transformer(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.2)
    return model.eval()


def lopsided_moe():
    """All tokens choose among the first three experts: some ranks get no token."""
    model = new_model(MOE)
    for layer in MOE.moe.layers:
        model.layers[layer].mlp.router.bias[3:] = -100.0
    return model


def new_ids():
    return torch.randint(40, (B, T), generator=torch.Generator().manual_seed(1))


MODELS = {"dense": lambda: new_model(DENSE), "moe": lambda: new_model(MOE), "lopsided": lopsided_moe}


# ---- what runs in the processes ----


def spied(work, wire, *args):
    """`work` with a fresh wire, and what torch itself was handed to send."""
    seen = []
    send = dist.isend

    def spy(x, *rest):
        seen.append(x.nbytes)
        return send(x, *rest)

    with mock.patch.object(dist, "isend", spy):
        result = work(Wire(wire.rank, wire.n), *args)
    return result, sum(seen)


def reduce_both_ways(wire, x):
    theirs = x.clone()
    dist.all_reduce(theirs)
    before, written = wire.bytes_sent, bytes_written()
    ours = ring_all_reduce(x, wire)
    written = bytes_written() - written if written is not None else None
    return {"ours": ours, "theirs": theirs, "sent": wire.bytes_sent - before, "written": written}


def bytes_written():
    """What this process wrote to files and sockets, as Linux counts it."""
    return psutil.Process().io_counters().write_chars if sys.platform == "linux" else None


def exchange_both_ways(wire):
    """Rank r sends (r + to) % 3 rows to rank `to`: sometimes none."""
    n_out = [(wire.rank + to) % 3 for to in range(wire.n)]
    x = torch.randn(sum(n_out), 5, generator=torch.Generator().manual_seed(wire.rank))
    theirs = x.new_empty(sum(n_out), 5)  # (r + to) is symmetric: as many rows come as go
    dist.all_to_all_single(theirs, x, n_out, n_out)
    return {"ours": torch.cat(all_to_all(x.split(n_out), n_out, wire)), "theirs": theirs}


def prefill_and_decode(wire, model, ids):
    shard = shard_tensor_parallel(model, wire)
    cache = KVCache(shard.config, batch_size=B, max_tokens=T)
    return [shard(new, cache=cache) for new in (ids[:, :-1], ids[:, -1:])], cache.n_bytes


def everything(wire):
    """All checks of one number of processes."""
    ids, found = new_ids(), {"threads": torch.get_num_threads()}
    for name, build in MODELS.items():
        found["tensor", name] = spied(tensor_parallel, wire, build(), ids)
        if name != "dense":
            found["expert", name] = spied(expert_parallel, wire, build(), ids)
        for m in (1, 4):
            found["pipeline", name, m] = spied(pipeline_parallel, wire, build(), ids, m)
    found["decode"] = prefill_and_decode(wire, new_model(DENSE), ids)
    found["gradients"] = spied(data_parallel_gradients, wire, new_model(DENSE), ids)
    for n_values in (1, 7, 24, LARGE):
        x = torch.arange(n_values) * 3 + 1000 * wire.rank**2  # whole numbers: the sum is exact in any order
        found["reduce", n_values] = reduce_both_ways(wire, x)
    found["matrix"] = reduce_both_ways(wire, torch.full((4, 6), float(wire.rank + 1)).T)
    found["exchange"] = exchange_both_ways(wire)
    return found


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request):
    return run_parallel(everything, request.param, timeout_s=200)


@pytest.fixture(scope="module")
def alone():
    """The logits of one process."""
    with torch.inference_mode():
        return {name: build()(new_ids()) for name, build in MODELS.items()}


def assert_same(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


# ---- the same logits ----


def test_logits_are_large_enough_for_the_tolerance_to_mean_something(alone):
    for logits in alone.values():
        assert 0.5 < logits.std() < 5


@pytest.mark.parametrize("name", MODELS)
def test_tensor_parallel_logits(ranks, alone, name):
    for rank in ranks:
        answer, _ = rank["tensor", name]
        assert_same(answer.logits_BTV, alone[name])
        assert torch.equal(answer.logits_BTV, ranks[0]["tensor", name][0].logits_BTV), "ranks differ in their last bits"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("m", [1, 4])
def test_pipeline_logits(ranks, alone, name, m):
    *others, last = (rank["pipeline", name, m][0].logits_BTV for rank in ranks)
    assert_same(last, alone[name])
    assert all(logits is None for logits in others)


@pytest.mark.parametrize("name", ["moe", "lopsided"])
def test_expert_parallel_logits(ranks, alone, name):
    assert_same(torch.cat([rank["expert", name][0].logits_BTV for rank in ranks]), alone[name])


def test_a_cache_holds_one_ranks_heads_and_gives_the_same_logits(ranks, alone):
    whole = KVCache(DENSE, batch_size=B, max_tokens=T).n_bytes
    for rank in ranks:
        logits, n_bytes = rank["decode"]
        assert_same(torch.cat(logits, dim=1), alone["dense"])
        assert n_bytes * len(ranks) == whole


def test_data_parallel_gradients_are_those_of_the_whole_batch(ranks):
    model, ids = new_model(DENSE), new_ids()
    F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
    whole = [parameter.grad for parameter in model.parameters()]
    assert max(gradient.abs().max() for gradient in whole) > 0.1
    for rank in ranks:
        (gradients, _), _ = rank["gradients"]
        for ours, theirs in zip(gradients, whole, strict=True):
            assert_same(ours, theirs)


def test_each_rank_computes_on_one_thread(ranks):
    assert [rank["threads"] for rank in ranks] == [1] * len(ranks)


@pytest.mark.parametrize("name", ["dense", "moe"])
def test_without_the_sums_the_logits_are_wrong(alone, name):
    """So the tests above would notice a missing all-reduce."""
    with mock.patch.object(parallel, "ring_all_reduce", lambda x, wire: x):
        for rank in range(2):
            shard = shard_tensor_parallel(MODELS[name](), Wire(rank, 2))
            assert (shard(new_ids()) - alone[name]).abs().max() > 0.1


def test_ranks_hold_a_share_of_the_weights():
    def size(module):
        return sum(parameter.numel() for parameter in module.parameters())

    dense, moe = new_model(DENSE), new_model(MOE)
    shard = shard_tensor_parallel(dense, Wire(1, 4)).layers[0].get_submodule("mlp")
    assert size(shard) * 4 == size(dense.layers[0].mlp)
    experts = shard_experts(moe, Wire(1, 4)).layers[1].mlp.experts
    assert size(experts) * 4 == size(moe.layers[1].mlp.experts)
    assert torch.equal(experts.own.down, moe.layers[1].mlp.experts.down[2:4])
    assert size(moe) == size(new_model(MOE)), "the model that was handed over is left as it was"


# ---- bytes ----


@pytest.mark.parametrize("name", MODELS)
def test_tensor_parallel_bytes(ranks, name):
    n = len(ranks)
    by_hand = 4 * 2 * 2 * (n - 1) * (B * T * D * 4) // n  # layers, sums per layer, ring steps of a message's nth part
    assert tensor_parallel_bytes(DENSE, n_tokens=B * T, n_processes=n) == by_hand
    for rank in ranks:
        answer, handed_to_torch = rank["tensor", name]
        assert answer.bytes_sent == handed_to_torch == by_hand


@pytest.mark.parametrize("m", [1, 4])
def test_pipeline_bytes(ranks, m):
    by_hand = B * T * D * 4
    assert pipeline_bytes(DENSE, n_tokens=B * T) == by_hand
    for index, rank in enumerate(ranks):
        answer, handed_to_torch = rank["pipeline", "dense", m]
        assert answer.bytes_sent == handed_to_torch == (by_hand if index < len(ranks) - 1 else 0)


@pytest.mark.parametrize("name", ["moe", "lopsided"])
def test_expert_parallel_bytes(ranks, name):
    n = len(ranks)
    slots_out, slots_in = count_travellers(MODELS[name](), n)
    assert sum(map(sum, slots_out)) == sum(map(sum, slots_in)) > 0
    for r, rank in enumerate(ranks):
        by_formula = sum(
            expert_parallel_bytes(MOE, slots_out=slots_out[r][i], slots_in=slots_in[r][i], n_processes=n)
            for i in range(3)
        )
        by_hand = (sum(slots_out[r]) + sum(slots_in[r])) * 32 * 4 + 3 * {2: 4, 4: 6}[n] * 8
        answer, handed_to_torch = rank["expert", name]
        assert answer.bytes_sent == handed_to_torch == by_hand == by_formula


def count_travellers(model, n):
    """From the routing of one process, token by token: choices that leave and enter each rank, per MoE layer."""
    with record_routing(model) as routings:
        model(new_ids())
    slots_out, slots_in = ([[0] * len(routings) for _ in range(n)] for _ in range(2))
    for i, routing in enumerate(routings):
        for token, chosen in enumerate(routing.chosen_Nk.tolist()):
            home = token // T // (B // n)
            for expert in chosen:
                owner = expert // (8 // n)
                if owner != home:
                    slots_out[home][i] += 1
                    slots_in[owner][i] += 1
    return slots_out, slots_in


def test_data_parallel_bytes(ranks):
    n = len(ranks)
    n_bytes = 4 * sum(parameter.numel() for parameter in new_model(DENSE).parameters())
    sent = [rank["gradients"][0][1] for rank in ranks]
    assert sent == [rank["gradients"][1] for rank in ranks]
    assert sum(sent) == 2 * (n - 1) * n_bytes == n * ring_bytes(n_bytes, n)


@pytest.mark.parametrize("n_values", [1, 7, 24, LARGE])
def test_the_ring_sums_like_torch(ranks, n_values):
    n = len(ranks)
    expected = torch.arange(n_values) * 3 * n + 1000 * sum(r**2 for r in range(n))
    for rank in ranks:
        assert torch.equal(rank["reduce", n_values]["ours"], expected)
        assert torch.equal(rank["reduce", n_values]["theirs"], expected)
    sent = [rank["reduce", n_values]["sent"] for rank in ranks]
    assert sum(sent) == 2 * (n - 1) * n_values * 8, "every element travels the ring twice, less one step each time"
    if n_values % n == 0:
        assert sent == [ring_bytes(8 * n_values, n)] * n


def test_the_ring_keeps_the_shape(ranks):
    total = sum(range(1, len(ranks) + 1))
    for rank in ranks:
        assert torch.equal(rank["matrix"]["ours"], torch.full((6, 4), float(total)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's counters")
def test_the_bytes_counted_are_those_that_the_system_wrote(ranks):
    for rank in ranks:
        sent, written = rank["reduce", LARGE]["sent"], rank["reduce", LARGE]["written"]
        assert sent <= written < 1.001 * sent, "headers are less than a thousandth of a large message"


def test_all_to_all_like_torch(ranks):
    for rank in ranks:
        assert torch.equal(rank["exchange"]["ours"], rank["exchange"]["theirs"])


# ---- the pipeline's schedule ----


def tick_by_tick(stage_seconds, n_microbatches):
    """Each second, in order of stages: what is free and has its input starts. Returns starts and busy seconds."""
    p, now = len(stage_seconds), 0
    starts, done = [[] for _ in range(p)], [[] for _ in range(p)]
    while len(done[-1]) < n_microbatches or done[-1][-1] > now:
        for s in range(p):
            i = len(starts[s])
            is_free = not done[s] or done[s][-1] <= now
            has_input = i < n_microbatches and (s == 0 or (i < len(done[s - 1]) and done[s - 1][i] <= now))
            if is_free and has_input:
                starts[s].append(now)
                done[s].append(now + stage_seconds[s])
        now += 1
    return starts, now


@pytest.mark.parametrize("p", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_bubble_formula_like_a_simulation(p, m):
    starts, end = tick_by_tick([1] * p, m)
    assert pipeline_schedule([1] * p, m) == starts
    idle = 1 - Fraction(p * m, p * end)
    assert idle == Fraction(p - 1, m + p - 1)
    assert bubble_share(p, m) == pytest.approx(float(idle), abs=1e-15)
    assert idle_share([0.5] * p, m) == pytest.approx(float(idle), abs=1e-12)


@pytest.mark.parametrize("stage_seconds", [[1, 3], [3, 1], [2, 1, 4, 1], [1, 2, 3]])
def test_unequal_stages_like_a_simulation(stage_seconds):
    starts, end = tick_by_tick(stage_seconds, 5)
    assert pipeline_schedule(stage_seconds, 5) == starts
    assert idle_share(stage_seconds, 5) == pytest.approx(1 - 5 * sum(stage_seconds) / (len(stage_seconds) * end))
    assert end == sum(stage_seconds) + 4 * max(stage_seconds), "the slowest stage sets the pace"


# ---- what cannot be split ----


def variant(config, **changes):
    return ModelConfig(**{**vars(config), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"n_kv_heads": 2},
            "n_kv_heads=2 cannot be split evenly over 4 processes: use a number of processes that divides 2",
        ),
        ({"d_ff": 50}, "d_ff=50 cannot be split evenly over 4 processes"),
        ({"moe": MoEConfig(8, 2, d_expert=6, layers=(0,))}, "d_expert=6 cannot be split evenly over 4"),
        ({"qk_norm": "full"}, "qk_norm='full' mixes the heads"),
        ({"mla": MLAConfig(8, None, 4, 2, 4)}, "latent attention mixes the heads"),
    ],
)
def test_tensor_parallelism_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        tensor_config(variant(DENSE, **changes), 4)


def test_the_others_refuse():
    dense, moe, ids = new_model(DENSE), new_model(MOE), new_ids()
    with pytest.raises(ValueError, match="n_layers=4 cannot be split evenly over 3"):
        pipeline_parallel(Wire(0, 3), dense, ids, 2)
    with pytest.raises(ValueError, match="8 rows cannot be cut into 3 equal micro-batches"):
        pipeline_parallel(Wire(0, 2), dense, ids, 3)
    with pytest.raises(ValueError, match="n_experts=8 cannot be split evenly over 3"):
        shard_experts(moe, Wire(0, 3))
    with pytest.raises(ValueError, match="no experts to share"):
        shard_experts(dense, Wire(0, 2))
    for work, model in ((expert_parallel, moe), (data_parallel_gradients, dense)):
        with pytest.raises(ValueError, match="batch rows=6 cannot be split evenly over 4"):
            work(Wire(0, 4), model, ids[:6])


# ---- processes that die ----


def fail(wire, how, note):
    """The rank in the middle notes the time and fails; the others wait for it."""
    failing = wire.n // 2
    if wire.rank != failing:
        wire.receive(torch.empty(1), source=failing)
    note.write_text(str(time.time()))
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "raise":
        raise KeyError("no such layer")
    elif how == "exit":
        os._exit(0)
    time.sleep(600)


FAILURES = {
    "kill": (3, "rank 1 of 3 was killed by SIGKILL"),
    "raise": (2, "rank 1 of 2 raised KeyError: 'no such layer'\n\nTraceback"),
    "exit": (1, "rank 0 of 1 ended with exit code 0 and no result"),
}


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """Afterwards there is neither a process nor a file more than before."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    yield
    assert multiprocessing.active_children() == []
    assert children() <= before
    assert list(tmp_path.iterdir()) == []


def children():
    """This process's, but for the one that Python's multiprocessing keeps for itself."""
    return {p for p in psutil.Process().children(recursive=True) if "resource_tracker" not in command_of(p)}


def command_of(process: psutil.Process) -> str:
    """Empty for a process that has ended and is not yet collected: an earlier test's may be."""
    try:
        return " ".join(process.cmdline())
    except psutil.ZombieProcess:
        return ""


@pytest.mark.parametrize("how", [
    pytest.param("kill", marks=pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")), "raise", "exit",
])  # fmt: skip
def test_a_failure_is_named_and_ends_the_others(nothing_left, how, capfd, tmp_path_factory):
    n, message = FAILURES[how]
    note = tmp_path_factory.mktemp("note") / "time_of_death"
    with pytest.raises(RuntimeError) as failure:
        run_parallel(fail, n, how, note, timeout_s=200)
    assert str(failure.value).startswith(message)
    assert time.time() - float(note.read_text()) < 10  # not since the start, which is slow on a busy machine
    assert capfd.readouterr().err == ""


def test_what_takes_too_long_is_stopped(nothing_left, tmp_path_factory):
    note = tmp_path_factory.mktemp("note") / "time_of_death"
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"ranks \[0, 1\] of 2 were not done in time"):
        run_parallel(fail, 2, "sleep", note, timeout_s=2)
    assert time.monotonic() - start < 10


class SlowToDie:
    """A killed process whose end is seen a moment later than its partner's complaint."""

    sentinel = None

    def __init__(self):
        self.seen_dead_at = time.monotonic() + 0.3

    @property
    def exitcode(self):
        return -9 if time.monotonic() > self.seen_dead_at else None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_partner_that_complains_first_is_not_blamed(tmp_path):
    (tmp_path / "0.error").write_text("RuntimeError: Connection closed by peer")
    partner = SimpleNamespace(exitcode=1, sentinel=None)
    problem = processes._watch([partner, SlowToDie()], tmp_path, deadline=time.monotonic() + 60)
    assert problem == "rank 1 of 2 was killed by SIGKILL; the others were stopped"


NOTEBOOK = [
    """
import torch
from racecourse.hardware.parallel import tensor_parallel
from racecourse.hardware.processes import run_parallel
from racecourse.models import ModelConfig, Transformer
model = Transformer(ModelConfig("llama", vocab_size=10, d_model=8, n_layers=1, n_heads=2, n_kv_heads=2, head_dim=4,
                                d_ff=16, max_context=32))
ids = torch.tensor([[1, 2, 3]])
for answer in run_parallel(tensor_parallel, 2, model, ids):
    print(torch.allclose(answer.logits_BTV, model(ids), atol=1e-5), answer.bytes_sent)
""",
    """
def mine(wire):
    return wire.rank
try:
    run_parallel(mine, 2)
except ValueError as error:
    print(error)
""",
]


def test_a_sum_over_ranks_and_what_each_sends_for_it():
    """0 + 1 + 2 = 6 / 2; two thirds of 12,000 bytes twice."""
    assert run_parallel(sum_of_ranks, 3, 3000) == [(3.0, 16_000)] * 3


def test_a_rank_that_is_lost_on_purpose_is_named():
    with pytest.raises(RuntimeError, match=r"rank 1 of 2 (was killed by SIGTERM|ended with exit code 15)"):
        run_parallel(lose_a_rank, 2)


def test_what_a_notebook_defines_is_refused(monkeypatch):
    def mine(wire):
        return wire.rank

    monkeypatch.setattr(mine, "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)  # a notebook's main module has none
    with pytest.raises(ValueError, match="mine was defined in a notebook"):
        run_parallel(mine, 2)


@pytest.mark.slow
def test_in_a_notebook():
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in NOTEBOOK])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [[(output.name, output.text) for output in cell.outputs] for cell in notebook.cells]
    assert outputs[0] == [("stdout", "True 192\nTrue 192\n")]  # two sums of 3 x 8 values of 4 bytes, ring of two
    assert outputs[1] == [("stdout", mock.ANY)]
    assert "mine was defined in a notebook, which new processes cannot import" in outputs[1][0][1]


def test_the_docstrings_examples():
    assert doctest.testmod(parallel).failed == 0
