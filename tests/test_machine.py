"""racecourse.machine: decisions from plain facts, rates from a fake clock, and what is remembered. No real timing."""

import doctest
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from racecourse.machine import Measurement, Rate, device, measure
from racecourse.machine.device import Device, find_kind, has_kernels, has_real_bf16, recommended_dtype
from racecourse.machine.limits import cgroup_limits, limits, usable_cores
from racecourse.machine.measure import run_trials
from racecourse.machine.trials import (
    MATVEC_KERNELS,
    MIB,
    Trial,
    copy_trial,
    cpu_trials,
    matmul_trial,
    matvec,
    matvec_trial,
    sum_last_caches,
    thread_counts,
    time_trial,
    torch_threads,
    working_set,
    working_set_bytes,
)

GIB = 2**30
MEASURE = sys.modules["racecourse.machine.measure"]  # as an attribute of the room it is the function
CUDA_13 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]  # as torch's CUDA 13 wheels are built


# --- device -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "capability", "real", "dtype"),
    [
        ("V100", (7, 0), False, "float16"),
        ("T4", (7, 5), False, "float16"),
        ("A100", (8, 0), True, "bfloat16"),
        ("H100", (9, 0), True, "bfloat16"),
        ("B200", (10, 0), True, "bfloat16"),
    ],
)
def test_bf16_and_dtype_of_nvidia_gpus(gpu: str, capability: tuple[int, int], real: bool, dtype: str) -> None:
    assert has_real_bf16(capability=capability, is_rocm=False) is real, gpu
    assert recommended_dtype("cuda", bf16_is_real=real) == dtype, gpu


def test_cpu_and_mac_get_float32_whatever_their_bf16() -> None:
    for kind in ("cpu", "mps"):
        for real in (True, False):
            assert recommended_dtype(kind, bf16_is_real=real) == "float32"


@pytest.mark.parametrize(
    ("capability", "arch_list", "runs"),
    [
        ((7, 5), CUDA_13, True),
        ((8, 9), CUDA_13, True),  # sm_86 code runs on 8.9
        ((7, 0), CUDA_13, False),  # V100: same major version, but older than sm_75
        ((6, 0), CUDA_13, False),
        ((11, 0), CUDA_13, False),
        ((12, 1), CUDA_13, True),
        ((13, 0), CUDA_13, True),  # compiled at load time from compute_120
        ((9, 0), ["sm_90a"], True),
        ((9, 4), ["gfx942"], True),
    ],
)
def test_which_gpus_a_torch_build_has_code_for(capability: tuple[int, int], arch_list: list[str], runs: bool) -> None:
    assert has_kernels(capability, arch_list) is runs


def test_find_kind_prefers_cuda_then_mps_then_cpu() -> None:
    assert find_kind(cuda_capability=(7, 5), cuda_arch_list=CUDA_13, has_mps=False) == ("cuda", "")
    assert find_kind(cuda_capability=None, cuda_arch_list=[], has_mps=True) == ("mps", "")
    assert find_kind(cuda_capability=None, cuda_arch_list=[], has_mps=False) == ("cpu", "")


def test_a_gpu_too_old_for_this_torch_is_passed_over_and_named() -> None:
    kind, note = find_kind(cuda_capability=(6, 1), cuda_arch_list=CUDA_13, has_mps=False)
    assert kind == "cpu"
    assert "6.1" in note and "sm_75" in note


def test_device_here_can_be_used() -> None:
    here = device()
    assert torch.ones(2, device=here.torch_device, dtype=here.dtype).sum().item() == 2
    assert 0 < here.memory_free_bytes <= here.memory_total_bytes
    assert "\n" not in str(here) and here.name in str(here)


def test_asking_for_a_device_that_is_not_here_names_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda' asked for, this machine has: .*cpu"):
        device("cuda")


def fake_t4(monkeypatch: pytest.MonkeyPatch) -> None:
    """A T4 as torch describes it, its wrong claim of bf16 included."""
    for name, answer in {
        "is_available": True,
        "is_bf16_supported": True,
        "get_device_capability": (7, 5),
        "get_arch_list": CUDA_13,
        "mem_get_info": (14 * GIB, 15 * GIB),
        "get_device_name": "Tesla T4",
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)


def test_device_on_a_t4(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_t4(monkeypatch)
    here = device()
    assert (here.kind, here.name, here.bf16_is_real, here.dtype) == ("cuda", "Tesla T4", False, torch.float16)
    assert (here.memory_free_bytes, here.memory_total_bytes) == (14 * GIB, 15 * GIB)
    assert device("cpu").dtype is torch.float32


def test_importing_the_room_does_not_import_torch() -> None:
    code = "import sys, racecourse.machine; print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_names_stay_functions_when_the_files_of_the_same_name_are_imported_first() -> None:
    code = "import racecourse.machine.measure, racecourse.machine.device\n"
    code += "from racecourse.machine import device, measure; print(callable(device), callable(measure))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["True"] * 2


@pytest.mark.parametrize("file", ["device", "limits", "trials"])
def test_numbers_in_docstrings(file: str) -> None:
    result = doctest.testmod(sys.modules[f"racecourse.machine.{file}"])
    assert result.attempted and not result.failed


# --- limits -----------------------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def test_cgroup_version_2_reads_every_parent(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "self"
    own.write_text("0::/user/me\n")
    write(root / "user", cpu__max="150000 100000", memory__max="max")
    stat = "anon 5\ninactive_file 700"
    write(root / "user/me", cpu__max="max 100000", memory__max="4000", memory__current="1000", memory__stat=stat)
    assert cgroup_limits(root, own) == ([1.5], [(4000, 300)])


def test_cgroup_version_1_in_a_container_that_is_shown_the_hosts_path(tmp_path: Path) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "self"
    own.write_text("4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n")
    write(root / "cpu,cpuacct", **{"cpu__cfs_quota_us": "200000", "cpu__cfs_period_us": "100000"})
    stat = "inactive_file 1\ntotal_inactive_file 500"
    files = {"memory__limit_in_bytes": "9000", "memory__usage_in_bytes": "2500", "memory__stat": stat}
    write(root / "memory", **files)
    assert cgroup_limits(root, own) == ([2.0], [(9000, 2000)])


def test_no_quota_in_version_1_is_minus_one(tmp_path: Path) -> None:
    own = tmp_path / "self"
    own.write_text("1:cpu:/\n")
    write(tmp_path / "cpu", **{"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"})
    assert cgroup_limits(tmp_path, own) == ([], [])


def test_no_cgroups_no_limits(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path, tmp_path / "missing") == ([], [])


@pytest.mark.parametrize(
    ("affinity", "quotas", "cores"), [(8, [], 8), (8, [2.0], 2), (8, [1.9], 1), (8, [0.5], 1), (2, [4.0], 2)]
)
def test_usable_cores(affinity: int, quotas: list[float], cores: int) -> None:
    assert usable_cores(affinity, quotas) == cores


def test_a_groups_limit_is_below_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("racecourse.machine.limits.cgroup_limits", lambda: ([], [(2 * MIB, MIB)]))
    here = limits()
    assert (here.memory_total_bytes, here.memory_free_bytes) == (2 * MIB, MIB)


# --- trials -----------------------------------------------------------------------------------------------------


class FakeClock:
    """A clock that only an operation moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def operation(self, *seconds: float):
        """An operation that takes each of these times in turn, the last one for ever."""
        times = list(seconds)

        def run() -> None:
            self.now += times.pop(0) if len(times) > 1 else times[0]

        return run


def trial(clock: FakeClock, *seconds: float, operation: str = "copy", work: int = 10**9, threads: int = 0) -> Trial:
    return Trial(operation, "float32", "fake", threads, work, clock.operation(*seconds))


def test_rate_is_work_over_seconds_with_the_warm_up_left_out() -> None:
    clock = FakeClock()  # warm-up 9 s, then 1, 0.25, 0.5, 0.5 s for 10^9 bytes: 1, 4, 2, 2 GB/s
    rate = time_trial(trial(clock, 9, 1, 0.25, 0.5, 0.5), seconds=2.0, clock=clock)
    assert (rate.best, rate.median, rate.runs, rate.unit) == (4.0, 2.0, 4, "GB/s")


def test_at_least_three_runs_however_slow_and_the_median_of_an_even_number() -> None:
    clock = FakeClock()
    assert time_trial(trial(clock, 50), seconds=0.1, clock=clock).runs == 3
    rate = time_trial(trial(clock, 9, 1, 1, 0.5, 0.25), seconds=2.75, clock=clock)
    assert (rate.runs, rate.median) == (4, 1.5)


def test_when_the_time_is_used_up_each_kind_is_still_measured_once() -> None:
    clock = FakeClock()
    trials = [trial(clock, 10), trial(clock, 10), trial(clock, 10, operation="matvec"), trial(clock, 10)]
    rates = run_trials(trials, seconds=1.0, clock=clock)
    assert [rate.operation for rate in rates] == ["copy", "matvec"]


def test_all_trials_run_while_there_is_time() -> None:
    clock = FakeClock()
    assert len(run_trials([trial(clock, 0.001) for _ in range(6)], seconds=10.0, clock=clock)) == 6


def test_threads_are_set_during_a_trial_and_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    seen = []

    def fail() -> None:
        seen.append(torch.get_num_threads())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        time_trial(Trial("copy", "float32", "fake", before + 1, 1, fail), seconds=1, clock=FakeClock())
    assert (seen, torch.get_num_threads()) == ([before + 1], before)
    with torch_threads(0):
        assert torch.get_num_threads() == before


def test_matmul_counts_the_operations_that_torch_counts() -> None:
    one = matmul_trial("cpu", "float32", side=96)
    with FlopCounterMode(display=False) as counter:
        one.run()
    assert one.work == counter.get_total_flops() == 2 * 96**3


class Touched(TorchDispatchMode):
    """Collects the bytes of the distinct large tensors that operations read, and of the outputs of copies."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.mv, torch.ops.aten.bmm, torch.ops.aten.copy_):
            for x in args:
                if isinstance(x, torch.Tensor) and x.numel() > 10_000:
                    self.read[x.data_ptr()] = x.numel() * x.element_size()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("how", MATVEC_KERNELS)
def test_matvec_reads_every_matrix_once_and_counts_the_bytes(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("racecourse.machine.trials.MATRIX_SIDE", 128)
    weights_NDD = working_set("cpu", "float32", 6 * 128 * 128 * 4)
    one = matvec_trial(weights_NDD, how=how)
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # a dispatch mode sees nothing of F.linear otherwise
    with Touched() as touched:
        one.run()
    assert one.work == 6 * 128 * 128 * 4 == sum(touched.read.values())
    assert len(touched.read) == 6


def test_copy_counts_reads_and_writes_of_the_whole_working_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("racecourse.machine.trials.MATRIX_SIDE", 128)
    weights_NDD = working_set("cpu", "float32", 4 * 128 * 128 * 4)
    weights_NDD[2:] = 0
    one = copy_trial(weights_NDD)
    with Touched() as touched:
        one.run()
    assert one.work == sum(touched.read.values()) == 4 * 128 * 128 * 4
    assert torch.equal(weights_NDD[:2], weights_NDD[2:])


@pytest.mark.parametrize("how", MATVEC_KERNELS)
def test_every_kernel_gives_the_matrix_vector_product(how: str) -> None:
    weight_OI, x_1I = torch.randn(12, 7, dtype=torch.float64), torch.randn(1, 7, dtype=torch.float64)
    by_hand = torch.stack([sum(w * x for w, x in zip(row, x_1I[0], strict=True)) for row in weight_OI])
    torch.testing.assert_close(matvec(how, weight_OI, x_1I), by_hand)


def test_working_set_is_not_one_page_of_zeros() -> None:
    weights_NDD = working_set("cpu", "float32", 1)
    assert weights_NDD.shape == (2, 2048, 2048)
    assert weights_NDD.is_contiguous() and (weights_NDD != 0).float().mean() > 0.99


@pytest.mark.parametrize(
    ("cache", "free", "expected"),
    [
        (32 * MIB, 16 * GIB, 256 * MIB),
        (128 * MIB, 16 * GIB, 512 * MIB),  # four times the cache
        (2 * GIB, 512 * GIB, 1024 * MIB),  # never more than 1 GiB
        (32 * MIB, 1 * GIB, 128 * MIB),  # an eighth of what is free
        (32 * MIB, 16 * MIB, 32 * MIB),  # never less than two matrices
    ],
)
def test_working_set_bytes(cache: int, free: int, expected: int) -> None:
    assert working_set_bytes(cache_bytes=cache, free_bytes=free) == expected


def test_thread_counts_go_up_to_the_cores() -> None:
    assert [thread_counts(cores) for cores in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_all_cores_come_first_and_every_thread_count_is_tried() -> None:
    trials = cpu_trials(thread_counts=[1, 2, 4], working_set_bytes=1)
    assert trials[0].threads == 4
    assert {(one.operation, one.threads) for one in trials} == {
        (operation, threads) for operation in ("copy", "matvec", "matmul") for threads in (1, 2, 4)
    }


def test_last_caches_are_added_once_each(tmp_path: Path) -> None:
    for cpu, shared in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")):
        write(tmp_path / f"cpu{cpu}/cache/index0", level="1", shared_cpu_list=str(cpu), size="32K")
        write(tmp_path / f"cpu{cpu}/cache/index3", level="3", shared_cpu_list=shared, size="16384K")
    assert sum_last_caches(tmp_path, {0, 1, 2, 3}) == 32 * MIB
    assert sum_last_caches(tmp_path, {0, 1}) == 16 * MIB
    assert sum_last_caches(tmp_path / "missing", {0}) == 0


# --- measure ----------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """measure() with one tiny operation of each kind and a cache of its own; the list grows with each measuring."""
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path))
    calls: list[int] = []

    def trials(*_) -> list[Trial]:
        calls.append(1)
        kinds = ("matmul", "copy", "matvec")
        return [Trial(kind, "float32", "fake", 1, 1000, lambda: sum(range(100))) for kind in kinds]

    monkeypatch.setattr(MEASURE, "_trials", trials)
    return calls


def test_a_second_call_returns_what_was_stored(quick: list[int]) -> None:
    first = measure("cpu", seconds=0.01)
    assert measure("cpu", seconds=0.01) == first
    assert len(quick) == 1
    measure("cpu", seconds=0.01, refresh=True)
    assert len(quick) == 2


def test_a_stored_result_that_had_less_time_does_not_count(quick: list[int]) -> None:
    measure("cpu", seconds=0.01)
    assert measure("cpu", seconds=0.02).seconds == 0.02
    measure("cpu", seconds=0.01)
    assert len(quick) == 2


@pytest.mark.parametrize("change", [{"name": "another CPU"}, {"cores": 99}, {"memory_total_bytes": 999 * GIB}])
def test_another_machine_is_measured_anew(quick: list[int], monkeypatch: pytest.MonkeyPatch, change: dict) -> None:
    measure("cpu", seconds=0.01)
    other: Device = replace(device("cpu"), **change)
    monkeypatch.setattr(MEASURE, "device", lambda kind: other)
    measure("cpu", seconds=0.01)
    assert len(quick) == 2


def test_a_file_that_tells_of_another_machine_does_not_count(quick: list[int], tmp_path: Path) -> None:
    measure("cpu", seconds=0.01)
    (path,) = tmp_path.glob("machine/*")
    raw = json.loads(path.read_text())
    raw["identity"]["device"] = "another CPU"
    path.write_text(json.dumps(raw))
    measure("cpu", seconds=0.01)
    assert len(quick) == 2


def test_another_torch_is_measured_anew(quick: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    measure("cpu", seconds=0.01)
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    measure("cpu", seconds=0.01)
    assert len(quick) == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"identity": {}}'])
def test_a_damaged_file_is_measured_anew(quick: list[int], tmp_path: Path, damage: str) -> None:
    measure("cpu", seconds=0.01)
    (path,) = tmp_path.glob("machine/*")
    path.write_text(damage)
    measure("cpu", seconds=0.01)
    assert len(quick) == 2
    assert json.loads(path.read_text())["rates"]


def test_a_cache_that_cannot_be_written_costs_only_a_warning(
    quick: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="set RACECOURSE_CACHE"):
        assert measure("cpu", seconds=0.01).rates


def rate(operation: str, best: float, *, how: str = "k", threads: int = 1, median: float = 1.0) -> Rate:
    return Rate(operation, "float32", how, threads, best, median, 3)


def measurement(*rates: Rate, working: int = 256 * MIB, cache: int = 32 * MIB) -> Measurement:
    return Measurement({"device": "A chip", "cores": 4, "torch": "2"}, rates, working, cache, 6.0, "2026-01-01")


def test_the_fastest_trial_is_reported_with_its_threads_and_kernel() -> None:
    m = measurement(
        rate("matvec", 11.0, how="F.linear", threads=1),
        rate("matvec", 23.4, how="torch.mv", threads=4, median=22.0),
        rate("copy", 30.0),
        rate("matmul", 1234.5, how="1024 x 1024"),
    )
    assert (m.matvec_gb_per_s.best, m.copy_gb_per_s.best, m.matmul_gflops.best) == (23.4, 30.0, 1234.5)
    head, _, matvec_line, _, matmul_line = m.summary().splitlines()
    assert "A chip, 4 CPU cores" in head
    assert matvec_line.split()[3:] == ["float32", "23.4", "22.0", "GB/s", "4", "threads,", "torch.mv"]
    assert "1,234.5" in matmul_line and "GFLOP/s  1 thread, 1024 x 1024" in matmul_line


def test_summary_owns_up_to_a_working_set_that_is_too_small() -> None:
    assert "too high" not in measurement(rate("copy", 1.0)).summary()
    assert (
        "64 MiB of data against 64 MiB of cache"
        in measurement(rate("copy", 1.0), working=64 * MIB, cache=64 * MIB).summary()
    )


def test_asking_for_what_was_not_measured_says_what_was() -> None:
    with pytest.raises(KeyError, match="matmul in float16 was not measured; there are: copy in float32"):
        measurement(rate("copy", 1.0)).fastest("matmul", "float16")


def test_a_real_measurement_is_complete_and_leaves_torch_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path))
    before = torch.get_num_threads()
    m = measure("cpu", seconds=0.2)
    assert torch.get_num_threads() == before
    assert all(0 < r.median <= r.best for r in m.rates)
    assert {r.operation for r in m.rates} == {"matmul", "copy", "matvec"}
    assert measure("cpu", seconds=0.2) == m
