"""The chooser says what ``recommend`` says, and what the field expects or why not."""

from __future__ import annotations

import io
import math
import re

import pytest
import torch
from rich.console import Console, Group
from torch import nn

import fanin
from fanin import schemes
from fanin.errors import InputError, UnknownNameError
from fanin.guide import choosing
from fanin.guide.chooser.batches import batch_of
from fanin.guide.chooser.cases import ACTIVATIONS, ARCHITECTURES, Case, case
from fanin.guide.chooser.networks import build
from fanin.guide.chooser.parts import Part, over_root
from fanin.report import choice_view


def part(choice: choosing.Choice, role: str) -> Part:
    found = [one for one in choice.parts if one.role == role]
    assert len(found) == 1, (role, [one.role for one in choice.parts])
    return found[0]


def gain(choice: choosing.Choice, role: str) -> float:
    gains = part(choice, role).gains
    assert gains is not None
    assert math.isclose(*gains)
    return gains[0]


def only(**answers: object) -> choosing.Choice:
    rows = choosing.choose(**answers)
    assert len(rows) == 1, [row.case for row in rows]
    return rows[0]


@pytest.mark.parametrize("row", choosing.cases(), ids=Case.options)
def test_every_row_says_what_the_recipe_says_of_that_network(row):
    choice = next(one for one in choosing.table() if one.case == row)
    model = build(row)
    inputs, targets, loss = batch_of(row)
    plan = fanin.recommend(model, inputs, targets, loss=loss)
    told = {one.parameter: one for each in choice.parts for one in each.rows}
    assert told.keys() == {one.parameter for one in plan.rows}
    for one in plan.rows:
        assert told[one.parameter].scheme == one.scheme, one.parameter
        assert told[one.parameter].std == one.std
        assert told[one.parameter].reason == one.reason
    assert not plan.unmatched
    trained = {name for name, made in model.named_parameters() if made.requires_grad}
    assert told.keys() == trained


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", math.sqrt(2)),
        ("leaky_relu", math.sqrt(2 / (1 + 0.01**2))),
        ("tanh", fanin.gain("tanh")),
        ("gelu", fanin.gain("gelu")),
        ("silu", fanin.gain("silu")),
        ("selu", 1.0),
        ("linear", 1.0),
    ],
)
def test_hidden_weights_of_shallow_networks_have_the_gain_of_the_textbook(activation, expected):
    choice = only(
        architecture="mlp", activation=activation, depth=4, norm="none", residual=False,
        task="classes", tuning="all",
    )  # fmt: skip
    assert math.isclose(gain(choice, "hidden weight"), expected, rel_tol=1e-6)
    # The input went through no function.
    assert math.isclose(gain(choice, "input weight"), 1.0, rel_tol=1e-6)


def test_sigmoid_gets_pairs_and_says_why_not_its_gain():
    choice = only(architecture="mlp", activation="sigmoid")
    assert part(choice, "hidden weight").scheme == "looks_linear"
    assert "keeps signals and gradients" in part(choice, "hidden weight").reason
    assert any("16 different" in one.text for one in choice.trade_offs)


def test_deep_tanh_is_kept_at_small_signals():
    choice = only(architecture="mlp", activation="tanh", depth=20)
    assert 1 < gain(choice, "hidden weight") < fanin.gain("tanh")
    assert any("nearly linear" in one.text for one in choice.trade_offs)


def test_sines_get_the_bounds_of_siren():
    choice = only(activation="sine")
    assert part(choice, "input weight").law == "siren, bound = 1 / fan_in"
    assert part(choice, "hidden weight").law == "siren, bound = sqrt(6 / fan_in) / 30"


def test_weights_before_a_norm_are_free_of_scale_and_batch_norm_says_what_it_costs():
    choice = only(architecture="mlp", norm="batch")
    assert "scale-free" in part(choice, "hidden weight").reason
    said = next(one for one in choice.trade_offs if "no init keeps its gradients" in one.text)
    assert f"{math.pi / (math.pi - 1):.3g}" in said.text
    assert "1902.08129" in said.source
    assert part(choice, "norm scale").law == "1"


def test_the_last_weight_of_each_branch_is_scaled_by_their_number():
    few = choosing.prescribe("decoder", depth=2, width=32)
    many = choosing.prescribe("decoder", depth=8, width=32)
    for role in ("attention output", "last of branch"):
        assert math.isclose(gain(few, role) / gain(many, role), 2.0, rel_tol=1e-6)
    assert math.isclose(gain(many, "attention output"), 1 / math.sqrt(16), rel_tol=1e-6)


def test_gates_start_open_and_long_sequences_get_chrono():
    assert part(only(architecture="lstm", length=16), "gate bias").law == "0, 1, 0, 0 by gate"
    assert part(only(architecture="gru", length=20), "gate bias").law == "0, 1, 0 by gate"
    assert part(only(architecture="lstm", length=100), "gate bias").law == (
        "chrono_bias of 128 steps"
    )
    assert part(only(architecture="rnn", activation="relu"), "recurrent weight").law == "identity"
    assert part(only(architecture="lstm", length=16), "recurrent weight").scheme == "orthogonal"


def test_a_seldom_class_gets_its_logit_as_bias():
    choice = only(architecture="mlp", task="rare")
    value = part(choice, "head bias").rows[0].scheme
    assert isinstance(value, schemes.constant)
    # One in 16 of 128, smoothed by one example of each kind.
    assert math.isclose(value.value, math.log(9 / 121), rel_tol=1e-6)
    assert any(one.name == "prior_bias" for one in choice.alternatives)


def test_tied_tokens_have_the_std_of_a_head_and_others_rms_1():
    tied, own = only(tied=True), only(architecture="decoder", norm="rms")
    assert part(tied, "tokens").stds == pytest.approx((1 / math.sqrt(32),) * 2)
    assert part(own, "tokens").stds == (1.0, 1.0)


def test_adapters_start_as_nothing_and_what_is_frozen_is_kept():
    choice = only(tuning="lora")
    assert part(choice, "adapter B").law == "0"
    assert part(choice, "adapter A").stds[0] > 0
    frozen = [name for name, one in build(choice.case).named_parameters() if not one.requires_grad]
    assert set(choice.plan.kept) == set(frozen)
    head = only(architecture="vit", tuning="head")
    assert {one.role for one in head.parts} == {"head", "head bias"}


def test_numbers_in_trade_offs_are_those_of_the_network():
    shallow = choosing.prescribe("autoencoder", activation="tanh", depth=3, width=64)
    text = next(
        one.text for one in shallow.trade_offs if "keeps the signal's mean square" in one.text
    )
    chi = fanin.theory.chi_1("tanh", fanin.gain("tanh"))
    assert f"{chi:.3g} a layer, {chi**4:.3g} over 4" in text
    wide = next(one.text for one in shallow.trade_offs if "widths differ" in one.text)
    assert "= 0.5 " in wide


def test_every_trade_off_and_prescription_has_a_source():
    for choice in choosing.table():
        assert choice.trade_offs, choice.case
        assert all(one.text.endswith(".") and one.source for one in choice.trade_offs)
        assert all(one.source for one in choice.telling)


@pytest.mark.parametrize("row", choosing.cases(), ids=Case.options)
def test_alternatives_apply_to_the_network_that_they_stand_beside(row):
    choice = next(one for one in choosing.table() if one.case == row)
    inputs, targets, loss = batch_of(row)
    for one in choice.alternatives:
        model = build(row)
        fanin.init_(
            model, one.name, inputs=inputs, targets=targets, loss=loss, unmatched="keep"
        )  # fmt: skip
        assert torch.isfinite(model(inputs)).all()
        assert one.prefer
        assert one.source


def test_a_prescription_is_judged_beside_torchs_default():
    choice = choosing.prescribe("mlp", activation="relu", depth=20, width=32)
    own, default, *rest = choosing.judged(choice)
    assert (own.recipe, own.verdict) == ("auto", "healthy")
    assert (default.recipe, default.verdict) == ("default", "broken")
    assert "vanishing" in default.findings
    assert [one.recipe for one in rest] == [one.name for one in choice.alternatives]
    assert rest[0].law == "he_normal, std = sqrt(2 / fan_in)"


def test_its_code_draws_what_the_plan_says():
    choice = choosing.prescribe("mlp", activation="gelu", depth=3, width=64)
    space: dict[str, object] = {}
    exec(choice.code(), space)
    model = build(choice.case)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        space["init_weights"](model)
    drawn = [one.rows[0] for one in choice.telling]
    assert drawn
    for row in drawn:
        std = float(model.get_parameter(row.parameter).detach().std())
        assert math.isclose(std, row.std, rel_tol=0.1), row.parameter


def test_the_same_answers_give_the_same_and_random_states_stay():
    before = torch.random.get_rng_state()
    first = choosing.prescribe("vit", depth=2, width=32, tuning="head").to_dict()
    choosing._prescribed.cache_clear()
    again = choosing.prescribe("vit", depth=2, width=32, tuning="head").to_dict()
    assert first == again
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_table_is_made_once_and_knows_every_architecture():
    assert choosing.table() is choosing.table()
    assert {row.case.architecture for row in choosing.table()} == set(ARCHITECTURES)
    assert choosing.choose() == choosing.table()


def test_of_depth_the_nearest_row_of_each_architecture_counts():
    assert {row.case.depth for row in choosing.choose(architecture="mlp", activation="relu",
                                                       depth=100)} == {20}  # fmt: skip
    assert choosing.choose(architecture="cnn", activation="sigmoid") == ()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_has_the_depth_and_width_that_were_asked_for(name):
    depth = 3
    model = build(case(name, depth=depth, width=24))
    norms = (nn.LayerNorm, nn.RMSNorm, nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm)
    weights = [one for _, one in model.named_parameters() if one.ndim > 1]
    counts = {
        "mlp": depth + 1, "cnn": depth + 1, "resnet": 2 * depth + 2, "rnn": 2 * depth + 1,
        "lstm": 2 * depth + 1, "gru": 2 * depth + 1, "decoder": 6 * depth + 3,
        "encoder": 6 * depth + 3, "vit": 6 * depth + 4, "autoencoder": 2 * depth,
    }  # fmt: skip
    assert len(weights) == counts[name]
    assert any(24 in one.shape for one in weights)
    assert any(isinstance(one, norms) for one in model.modules()) == (
        ARCHITECTURES[name].norms[0] != "none"
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_activation_and_norm_that_is_offered_can_be_prescribed(name):
    family = ARCHITECTURES[name]
    answers = [{"activation": one} for one in family.activations]
    answers += [{"norm": one} for one in family.norms[1:]]
    for one in answers:
        choice = choosing.prescribe(name, depth=1, width=8, **one)
        assert choice.parts
        assert not choice.plan.unmatched


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"architecture": "mlpp"}, "Did you mean mlp? Known: mlp, cnn"),
        (
            {"architecture": "mlp", "activation": "gleu"},
            "Did you mean gelu or swiglu or elu? Known: relu, leaky",
        ),
        ({"architecture": "mlp", "norm": "weight"}, "no norm is called 'weight'"),
        ({"architecture": "lstm", "activation": "relu"}, "lstm takes no activation 'relu' here. K"),
        ({"architecture": "cnn", "residual": True}, "'resnet' has them"),
        ({"architecture": "decoder", "residual": False}, "always has residual branches"),
        ({"architecture": "mlp", "depth": 0}, "depth of mlp must be a whole number from 1 to 200"),
        ({"architecture": "mlp", "depth": 201}, "from 1 to 200, got 201"),
        ({"architecture": "mlp", "width": 10}, "multiple of 4"),
        ({"architecture": "mlp", "width": 4096, "depth": 200}, "at most 33,554,432"),
        ({"architecture": "mlp", "length": 5}, "reads no sequences"),
        ({"architecture": "mlp", "tied": True}, "only a decoder"),
        ({"architecture": "mlp", "heads": 3}, "no question is called 'heads'"),
        ({"architecture": "mlp", "activation": "sine", "task": "rare"}, "Known: regression."),
    ],
)
def test_bad_answers_are_one_error_with_what_there_is(answers, message):
    with pytest.raises(InputError, match=re.escape(message)):
        choosing.prescribe(**answers)


def test_the_table_refuses_unknown_answers():
    with pytest.raises(UnknownNameError, match="Did you mean classes"):
        choosing.choose(task="class")
    with pytest.raises(InputError, match="knows no width"):
        choosing.choose(width=64)
    with pytest.raises(InputError, match="positive whole number"):
        choosing.choose(depth=-1)


def test_other_words_for_an_answer_mean_the_same():
    assert case("transformer").architecture == "decoder"
    assert case("MLP", activation="swish").activation == "silu"
    assert {one for family in ARCHITECTURES.values() for one in family.activations} == set(
        ACTIVATIONS
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1 / sqrt(fan_in)"),
        (math.sqrt(2), "sqrt(2 / fan_in)"),
        (1.5925, "1.593 / sqrt(fan_in)"),
        (0.0, "0 / sqrt(fan_in)"),
    ],
)
def test_gains_read_as_formulas(value, text):
    assert over_root(value) == text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_table_and_choice_fit_the_terminal(width):
    console = Console(file=io.StringIO(), width=width)
    choice = choosing.prescribe("mlp", depth=2, width=16)
    views = (
        choice_view.table_view(choosing.table(), console.options),
        choice_view.choice_view(choice, choosing.judged(choice), console.options),
    )
    for view in views:
        console.print(Group(*view))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert any("hidden weight" in line for line in lines)


def test_the_page_has_every_row_and_no_script_and_escapes():
    page = choice_view.page(choosing.table(), command="fanin guide choose '<script>'")
    assert page.count('<td class="answers">') == len(choosing.table())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for choice in choosing.table():
        assert choice.case.options() in page
    fragment = choice_view.fragment(choosing.table()[:1])
    assert "<html" not in fragment
    assert fragment.count('<td class="answers">') == 1


def test_reasons_on_a_page_are_text():
    from dataclasses import replace

    import attrs

    choice = choosing.prescribe("mlp", depth=2, width=16)
    row = replace(choice.parts[0].rows[0], reason="<b>bold</b> & more", source="<i>a</i>")
    hostile = attrs.evolve(choice, parts=(Part("<u>role</u>", (row,)),))
    page = choice_view.page([hostile], choosing.judged(choice), command=None)
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in page
    assert "<i>a" not in page
    assert "<u>role" not in page
