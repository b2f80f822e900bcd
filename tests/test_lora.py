"""LoRA against a plain matrix W + s B A and autograd, in float32 and beside frozen float16 weights."""

import pytest
import torch

from racecourse.models import ModelConfig, Transformer, generate
from racecourse.models.lora import NAMES, LoRALinear, add_lora, merge_lora
from racecourse.reasoning.bases import CHARACTERS, character_tokenizer

T = torch.tensor
CONFIG = ModelConfig("llama", 40, 16, 2, 4, 2, 8, 32, max_context=48, tie_embeddings=True)
IDS_BT = T([[1, 5, 9, 2], [7, 7, 3, 30]])


def make_model(config: ModelConfig = CONFIG) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(config).eval()
    model.init_weights(0.3)
    return model


def adapters(model: Transformer) -> dict[str, LoRALinear]:
    return {path: m for path, m in model.named_modules() if isinstance(m, LoRALinear)}


def disturb(model: Transformer) -> None:
    """As after some training: B is no longer zero."""
    with torch.no_grad():
        for module in adapters(model).values():
            module.B_OR.normal_(0.0, 0.3)


def test_at_first_nothing_changes_and_only_the_adapters_are_trained():
    model = make_model()
    before = model(IDS_BT)
    add_lora(model, rank=3, alpha=6.0)
    assert torch.equal(model(IDS_BT), before)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 4 * 2 and all(name.endswith(("A_RI", "B_OR")) for name in trained)
    # by hand: rank 3 times (inputs + outputs) of qkv 16 -> 64, out 32 -> 16, gate_up 16 -> 64, down 32 -> 16
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * 3 * (80 + 48 + 80 + 48)


def test_values_and_gradients_are_those_of_the_summed_matrix():
    """The witness has no adapter: its weights are W + s B A, and the chain rule gives A's and B's gradients."""
    model, witness = add_lora(make_model(), rank=3, alpha=6.0), make_model()
    disturb(model)
    with torch.no_grad():
        for path, module in adapters(model).items():
            witness.get_submodule(path).weight += 2.0 * module.B_OR @ module.A_RI  # 6 / 3
    torch.testing.assert_close(model(IDS_BT), witness(IDS_BT), atol=1e-5, rtol=1e-5)
    for each in (model, witness):
        each(IDS_BT).log_softmax(-1)[..., 0].sum().backward()
    for path, module in adapters(model).items():
        gradient_OI = witness.get_submodule(path).weight.grad
        torch.testing.assert_close(module.B_OR.grad, 2.0 * gradient_OI @ module.A_RI.T, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(module.A_RI.grad, 2.0 * module.B_OR.T @ gradient_OI, atol=1e-4, rtol=1e-4)
        assert module.linear.weight.grad is None


def test_merging_gives_the_same_outputs_and_the_same_names():
    model = make_model()
    names = list(model.state_dict())
    add_lora(model, rank=2)
    disturb(model)
    before = model(IDS_BT)
    merge_lora(model)
    torch.testing.assert_close(model(IDS_BT), before, atol=1e-5, rtol=1e-5)
    assert list(model.state_dict()) == names and not adapters(model)
    assert not any(p.requires_grad for p in model.parameters())


def test_beside_float16_weights_the_adapter_stays_float32():
    model = add_lora(make_model().to(torch.float16), rank=2)
    disturb(model)
    exact = add_lora(make_model(), rank=2)
    exact.load_state_dict(model.state_dict())  # the same numbers, now all in float32
    logits = model(IDS_BT)
    assert logits.dtype == torch.float16
    torch.testing.assert_close(logits.float(), exact(IDS_BT), atol=0.03, rtol=0.01)
    for each in (model, exact):
        each(IDS_BT).float().log_softmax(-1)[..., 0].sum().backward()
    for ours, theirs in zip(adapters(model).values(), adapters(exact).values(), strict=True):
        assert ours.linear.weight.dtype == torch.float16 and ours.A_RI.dtype == ours.B_OR.grad.dtype == torch.float32
        torch.testing.assert_close(ours.B_OR.grad, theirs.B_OR.grad, atol=0.05, rtol=0.05)
    merged = merge_lora(model)(IDS_BT)
    assert merged.dtype == torch.float16
    torch.testing.assert_close(merged.float(), exact(IDS_BT), atol=0.03, rtol=0.01)


def test_a_model_with_adapters_writes_with_its_cache_what_it_writes_merged(tmp_path):
    tokenizer = character_tokenizer(CHARACTERS, tmp_path)
    model = make_model(ModelConfig("qwen2", tokenizer.vocab_size, 16, 1, 2, 1, 8, 32, max_context=48, qkv_bias=True))
    add_lora(model, rank=2)
    disturb(model)
    with_adapters = generate(model, tokenizer, ["3+5=", "1="], max_new_tokens=12)
    assert generate(merge_lora(model), tokenizer, ["3+5=", "1="], max_new_tokens=12) == with_adapters


def test_chosen_layers_only_and_names_that_do_not_exist():
    model = add_lora(make_model(), rank=2, names=("qkv",))
    assert list(adapters(model)) == ["layers.0.attention.qkv", "layers.1.attention.qkv"]
    with pytest.raises(ValueError, match=r"no linear layer is called \['q_proj'\]; this model has .*'qkv'"):
        add_lora(make_model(), names=(*NAMES, "q_proj"))
    with pytest.raises(ValueError, match="rank=0"):
        add_lora(make_model(), rank=0)
