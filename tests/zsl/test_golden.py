"""Parity with the reference implementations, whose inputs, weights and outputs lie in tests/golden."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from embeddings.io.errors import InputError
from tests.conftest import GOLDEN
from zsl.losses.asymmetric import asymmetric_loss
from zsl.metrics.average_precision import average_precision, mean_average_precision
from zsl.metrics.f1 import f1_at_k
from zsl.readouts import official_weights as official


def _head(name):
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    return tensors, {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}


@pytest.mark.parametrize("vocabulary", ["train", "test"])
def test_zero_shot_head_of_the_reference(vocabulary):
    tensors, state = _head("ml_decoder_zsl_full")
    decoder, _ = official.load_state_dict(state)
    logits = decoder(tensors["features"], tensors[f"wordvecs_{vocabulary}"])
    torch.testing.assert_close(logits, tensors[f"logits_{vocabulary}"], rtol=0, atol=1e-5)
    bound = decoder.bind(tensors[f"wordvecs_{vocabulary}"])(tensors["features"])
    torch.testing.assert_close(bound, tensors[f"logits_{vocabulary}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "head.", "module.head."])
def test_group_head_of_the_reference(prefix):
    tensors, state = _head("ml_decoder_group")
    decoder, _ = official.load_state_dict({prefix + name: value for name, value in state.items()})
    torch.testing.assert_close(decoder(tensors["features"], None), tensors["logits"], rtol=0, atol=1e-5)


def test_group_head_with_groups_that_no_label_needs():
    # 7 groups of 8 where 47 labels need 6: the reference makes them when N / K does not come out even
    tensors, state = _head("ml_decoder_group")
    state["decoder.query_embed.weight"] = torch.cat([state["decoder.query_embed.weight"], torch.ones(1, 64)])
    state["decoder.duplicate_pooling"] = torch.cat([state["decoder.duplicate_pooling"], torch.ones(1, 64, 8)])
    decoder, _ = official.load_state_dict(state)
    torch.testing.assert_close(decoder(tensors["features"], None), tensors["logits"], rtol=0, atol=1e-5)


def test_a_state_dict_of_something_else_is_named():
    with pytest.raises(InputError, match="no ML-Decoder head"):
        official.load_state_dict({"fc.weight": torch.zeros(2, 2)})
    _, state = _head("ml_decoder_group")
    del state["decoder.layers.0.linear2.bias"]
    with pytest.raises(InputError, match=r"lacks 'decoder.layers.0.linear2.bias'"):
        official.load_state_dict(state)


@pytest.mark.parametrize(("gn", "gp", "m"), [(0, 0, 0.0), (4, 0, 0.05), (4, 1, 0.0), (7, 0, 0.05)])
def test_asymmetric_loss_and_gradient(gn, gp, m):
    tensors = load_file(GOLDEN / "asymmetric_loss.safetensors")
    logits = tensors["logits"].requires_grad_()
    loss = asymmetric_loss(logits, tensors["targets"], gamma_neg=gn, gamma_pos=gp, margin=m)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, tensors[f"loss_gn{gn}_gp{gp}_m{m}"][0], rtol=1e-6, atol=0)
    expected = tensors[f"grad_gn{gn}_gp{gp}_m{m}"]
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))


def test_metrics():
    golden = np.load(GOLDEN / "metrics.npz")
    targets = golden["targets"]
    distinct, ties = golden["scores_distinct"], golden["scores_ties"]
    mask = targets.any(0)
    for scores, name in ((distinct, "distinct_ap_sklearn"), (ties, "ties_ap_sklearn")):
        np.testing.assert_allclose(average_precision(scores, targets)[mask], golden[name][mask], rtol=0, atol=1e-9)
    biam = golden["distinct_ap_biam"][mask]  # computed and stored in float32: 1e-7 is its own rounding
    np.testing.assert_allclose(average_precision(distinct, targets)[mask], biam, rtol=0, atol=1e-7)
    miil = 100 * mean_average_precision(distinct, targets, absent="zero")
    np.testing.assert_allclose(miil, golden["distinct_map_miil"], rtol=0, atol=1e-7)
    for k in (3, 5):
        biam = golden[f"distinct_f1_p_r_at_{k}"]  # float32 too
        np.testing.assert_allclose(f1_at_k(distinct, targets, k), biam, rtol=0, atol=1e-7)
