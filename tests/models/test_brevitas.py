"""Training with Brevitas: the same losses as Keras, kill and resume, types, what is kept, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras import ops
from numpy.testing import assert_array_equal

from tests.models.backgrounds import toy_background
from trigforge.errors import InputError
from trigforge.fixed import Rounding
from trigforge.models.architectures.compression import Compression
from trigforge.models.architectures.dense import DenseLayer, DenseNetwork
from trigforge.models.architectures.one_class import OneClass
from trigforge.models.architectures.vae import Vae
from trigforge.models.backends.brevitas_layers import OPS, DecayingAdam, DenseModule
from trigforge.models.recipe import changed, find_recipe
from trigforge.models.settings import Arithmetic, Quantisation
from trigforge.models.train import Aim, train
from trigforge.models.trained import load_trained

EVENTS = 1500
RECIPE = changed(
    find_recipe("vae_brevitas_l1"),
    {"architecture.hidden": (8, 4), "architecture.latent": 2, "training.epochs": 3, "training.batch": 256},
)
TYPES = Quantisation(
    arithmetic=Arithmetic.BREVITAS,
    weight_bits=4,
    weight_integer=2,
    activation_integer=2,
    activation_fraction=1,
    activation_rounding=Rounding.RND_CONV,
)


class KilledError(Exception):
    """What a report raises in place of a kill."""


def test_losses_are_those_of_keras() -> None:
    rng, background = np.random.default_rng(1), toy_background(200)
    words = background.values
    decoded, shares = rng.normal(size=words.shape).astype(np.float32), background.shares
    mean, spread = rng.normal(size=(2, len(words), 3)).astype(np.float32)
    score = np.square(mean).sum(axis=1, keepdims=True)
    vae, one_class, compression = Vae(), OneClass(), Compression()
    cases: list[tuple[Any, tuple[Any, ...]]] = [
        (lambda o: vae.loss(o, background), (decoded, words, mean, spread, shares)),
        (lambda o: lambda *given: one_class.loss(o, *given), (score, mean, shares)),
        (lambda o: compression.loss(o, background), (decoded, words, shares)),
    ]
    for loss, given in cases:
        keras = np.asarray(loss(ops)(*(ops.convert_to_tensor(x) for x in given)))
        pytorch = loss(OPS)(*(torch.from_numpy(x) for x in given)).numpy()
        assert keras.shape == pytorch.shape == (len(words),)
        assert pytorch == pytest.approx(keras, rel=1e-5)


@pytest.mark.parametrize("kind", ["vae", "one_class"])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, kind: str) -> None:
    recipe, background, said = RECIPE, toy_background(EVENTS), []  # type: Any, Any, list[str]
    if kind == "one_class":
        recipe = RECIPE.model_copy(update={"architecture": OneClass(hidden=(4,), outputs=2)})

    def report(fraction: float, text: str) -> None:
        said.append(text)
        if len(said) == 2:
            raise KilledError  # the second epoch is finished, its checkpoint not written

    def merit(network: Any) -> float:
        return float(network(background.values[:100]).mean())

    torch.manual_seed(5)
    drawn = torch.get_rng_state()
    whole = train(recipe, background, aim=Aim(merit))
    assert torch.equal(torch.get_rng_state(), drawn)
    with pytest.raises(KilledError):
        train(recipe, background, report, Aim(merit), tmp_path)
    rest: list[str] = []
    resumed = train(recipe, background, lambda fraction, text: rest.append(text), Aim(merit), tmp_path)
    assert [text.split(":")[0][-1] for text in rest] == ["2", "3"]
    for ours, theirs in zip(resumed.model.network.weights, whole.model.network.weights, strict=True):
        assert_array_equal(ours, theirs)
    assert [point for point, _ in resumed.front] == [point for point, _ in whole.front]
    known = [(e.loss, e.validation_loss, e.merit, e.ebops) for e in whole.model.record.epochs]
    assert [(e.loss, e.validation_loss, e.merit, e.ebops) for e in resumed.model.record.epochs] == known


def test_what_is_saved_is_the_same_network_and_holds_no_paths(tmp_path: Path) -> None:
    background = toy_background(EVENTS)
    model = train(RECIPE, background).model.save(tmp_path)
    loaded = load_trained(tmp_path)
    assert_array_equal(loaded(background.words), model(background.words))
    assert model.record.framework.startswith("Brevitas ")
    assert model.record.parameters == 57 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()
    with pytest.raises(InputError, match=r"vae_brevitas_l1 must be a Keras model, not of Brevitas"):
        _ = loaded.keras
    (tmp_path / "brevitas.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"brevitas\.npz must be the parameters of a Brevitas network: .*; train ag"):
        load_trained(tmp_path)


def test_types_are_those_of_the_recipe_and_saturate() -> None:
    module = DenseModule(1, DenseNetwork(layers=(DenseLayer(name="a", width=1, relu=False),)), TYPES)
    with torch.no_grad():
        module.dense[0].weight.fill_(1.0)
        given = torch.tensor([[-9.0], [-4.0], [0.25], [0.75], [3.6], [9.0]])
        assert module(given).flatten().tolist() == [-4.0, -4.0, 0.0, 1.0, 3.5, 3.5]
        module.dense[0].weight.fill_(9.0)
        module.dense[0].bias.fill_(-9.0)
        assert [float(x.value) for x in (module.dense[0].quant_weight(), module.dense[0].quant_bias())] == [1.75, -1.75]
    assert module.ebops == 3 * 3 + 3  # 1.75 is 111 in binary


def test_the_rate_decays_from_the_recipes_to_zero() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = DecayingAdam([weight], 0.1, 2)
    before = [float(x) for x in optimiser.variables]
    moved = []
    for _ in range(3):
        optimiser.step(-weight.sum())
        moved.append(float(weight.detach()))
    assert (before, len(optimiser.variables)) == ([0.0, 0.0, 0.0], 3)
    assert moved == pytest.approx([0.1, 0.15, 0.15], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "conv_l1",
            {},
            r"arithmetic must be learnt here: brevitas trains dense layers only, those of compression, one_",
        ),
        ("vae_l1", {"pruning.fan_in": 4}, r"pruning\.fan_in must be left out with arithmetic brevitas"),
        ("vae_l1", {"decorrelation.against": "nPU"}, r"decorrelation\.against must be left out with"),
        ("vae_l1", {"training.imitate": True}, r"training\.imitate must be left out with arithmetic brevitas"),
        ("vae_l1", {"quantisation.activation_rounding": "RND"}, r"activation_rounding must be RND_CONV or TRN with"),
        ("vae_l1", {"quantisation.weight_bits": 1}, r"weight_bits must be at least 2 with arithmetic brevitas, not 1"),
    ],
)
def test_what_brevitas_cannot_train_is_refused(name: str, changes: dict[str, Any], message: str) -> None:
    types = {"quantisation.arithmetic": "brevitas", "quantisation.activation_rounding": "RND_CONV"}
    with pytest.raises(InputError, match=message):
        changed(find_recipe(name), types | changes)
