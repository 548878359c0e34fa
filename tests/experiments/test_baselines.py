"""The yardsticks: linear classifiers against sums by hand and published bars, networks against their laws."""

import math
import os

import numpy as np
import pytest
import torch

from fieldsolver.errors import OptionError
from fieldsolver.experiments.baselines import CLASSIFIERS, NETS, find_classifier, matched_transformer
from fieldsolver.experiments.data import load_text
from fieldsolver.models.parts import pair_ids, sinusoids

GOOD, BAD = "a good film , good", "a bad film , not good"


def network(name, **options):
    torch.manual_seed(0)
    package = NETS[name].load()
    return package.build(package.Config(vocabulary=60, classes=3, **options)).eval()


def tokens(*lengths):
    ids = torch.randint(1, 60, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(1))
    return ids, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("name", NETS)
def test_padding_and_neighbours_change_no_answer(name):
    model, (ids, mask) = network(name), tokens(9, 4, 1, 0)
    with torch.no_grad():
        whole = model(ids, mask)
        padded = model(torch.nn.functional.pad(ids, (0, 7), value=5), torch.nn.functional.pad(mask, (0, 7)))
        alone = torch.cat([model(ids[[row]], mask[[row]]) for row in range(4)])
    assert torch.isfinite(whole).all()
    torch.testing.assert_close(padded, whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_every_parameter_gets_a_gradient_and_empty_texts_spoil_none(name):
    model, (ids, mask) = network(name, **({"buckets": 40} if name == "bag" else {})), tokens(9, 4, 1, 0)
    model(ids, mask).square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
        assert parameter.grad.abs().sum() > 0, path


def test_the_bag_knows_pairs_but_no_longer_order():
    model, (ids, mask) = network("bag", buckets=4000), tokens(6)
    words = network("bag", buckets=0)
    order = torch.tensor([1, 0, 2, 3, 4, 5])
    with torch.no_grad():
        assert not torch.allclose(model(ids, mask), model(ids[:, order], mask), atol=1e-6)
        torch.testing.assert_close(words(ids, mask), words(ids[:, order], mask))
        direct = model.words(ids[0]).sum(0) + model.pairs(pair_ids(ids, 4000)[0]).sum(0)
        torch.testing.assert_close(model(ids, mask)[0], model.head(direct / 12))


def test_the_transformer_is_that_of_torch():
    """The same weights in torch's own pre-norm encoder layers."""
    model, (ids, mask) = network("transformer", layers=2), tokens(9, 4)
    encoder = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(64, 4, 256, 0.0, "gelu", batch_first=True, norm_first=True),
        2,
        norm=torch.nn.LayerNorm(64),
        enable_nested_tensor=False,
    ).train()  # its fast path for evaluation takes no part
    with torch.no_grad():
        for theirs, ours in zip(encoder.layers, model.blocks, strict=True):
            theirs.self_attn.in_proj_weight.copy_(ours.attention.project.weight)
            theirs.self_attn.in_proj_bias.copy_(ours.attention.project.bias)
            for target, source in (
                (theirs.self_attn.out_proj, ours.attention.out), (theirs.linear1, ours.perceptron[0]),
                (theirs.linear2, ours.perceptron[2]), (theirs.norm1, ours.first), (theirs.norm2, ours.second),
            ):  # fmt: skip
                target.load_state_dict(source.state_dict())
        start = 8 * model.tokens(ids) + sinusoids(torch.arange(9), 64).float()
        state = encoder(start, src_key_padding_mask=~mask)
        pooled = (state * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        torch.testing.assert_close(model(ids, mask), model.head(pooled), rtol=0, atol=2e-5)


def test_positions_are_those_of_the_paper():
    found = sinusoids(torch.arange(50), 8)
    assert found[7, 4].item() == pytest.approx(math.sin(7 / 10_000 ** (4 / 8)), abs=1e-15)
    assert found[7, 5].item() == pytest.approx(math.cos(7 / 10_000 ** (4 / 8)), abs=1e-15)


@pytest.mark.parametrize(
    ("vocabulary", "embedding", "width"), [(30_522, 768, 300), (20_000, 64, 64), (5000, 96, 34), (800, 16, 220)]
)
def test_the_matched_transformer_has_the_same_size(vocabulary, embedding, width):
    package = NETS["transformer"].load()
    other = package.build(
        package.Config(vocabulary, 4, embedding=embedding, width=width, heads=1, layers=1, expansion=3)
    )
    config = matched_transformer(other)
    ours, theirs = package.build(config).parameter_table(), other.parameter_table()
    assert ours["total"] == pytest.approx(theirs["total"], rel=0.05)
    assert ours["embedding"] == pytest.approx(theirs["embedding"], rel=0.05)
    assert abs(ours["rest"] - theirs["rest"]) < 0.05 * theirs["total"]


def test_what_makes_no_sense_is_refused():
    package = NETS["transformer"].load()
    with pytest.raises(OptionError, match="width is even and a multiple of heads = 4, got 30"):
        package.Config(10, 2, width=30)
    with pytest.raises(OptionError, match="did you mean 'tfidf'"):
        find_classifier("tfdif")
    with pytest.raises(OptionError, match="take fewer layers"):
        matched_transformer(package.build(package.Config(50, 2, embedding=2, width=4, heads=1, layers=0)), layers=40)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_learn_what_can_be_learned(name):
    labels = np.arange(60) % 3
    texts = [f"{('red', 'green', 'blue')[label]} thing number {number % 7}" for number, label in enumerate(labels)]
    classifier = find_classifier(name).make(3)
    classifier.fit([*texts, "red"], np.append(labels, 0))
    answers = classifier.scores(texts).argmax(1)
    assert (answers == labels).mean() == (1.0 if name != "majority" else pytest.approx(1 / 3))
    assert classifier.parameters >= 1


def test_the_ratio_of_naive_bayes_by_hand():
    classifier = find_classifier("nbsvm").make(2)
    classifier.fit([GOOD, GOOD, BAD, BAD], np.array([1, 1, 0, 0]))
    found = classifier.counter.vocabulary_
    presence = classifier.counter.transform([GOOD, GOOD, BAD, BAD])
    ratio = classifier._log_ratio(presence, np.array([True, True, False, False]))
    # inside: a, good, film, "a good", "good film", "film good": 3 each; outside 7 of 9 features differ
    inside, outside = 1 + 2 * np.array([[f in GOOD_WORDS, f in BAD_WORDS] for f in found]).T
    expected = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    np.testing.assert_allclose(ratio[list(found.values())], expected)


GOOD_WORDS = {"a", "good", "film", "a good", "good film", "film good"}
BAD_WORDS = {"a", "bad", "film", "not", "good", "a bad", "bad film", "film not", "not good"}


@pytest.mark.slow
@pytest.mark.skipif("FIELDSOLVER_DATA" not in os.environ, reason="needs the data packs")
@pytest.mark.parametrize(("data", "bar"), [("ag_news", 0.9117), ("imdb", 0.9108), ("dbpedia", 0.9707)])
def test_tfidf_reaches_the_known_bars_of_the_packs(data, bar):
    """Logistic regression (C = 10) on TF-IDF of 200,000 words and pairs.

    AG News and DBpedia as others measured them on the same files. For IMDB that is 0.9078: there with line breaks as
    ``<br />`` and words of two letters or more; without the one and with the other 0.3 points more.
    """
    found = load_text(data, validation=0.0)
    classifier = find_classifier("tfidf").make(len(found.classes))
    classifier.fit(found.train.texts, found.train.labels)
    accuracy = (classifier.scores(found.test.texts).argmax(1) == found.test.labels).mean()
    assert accuracy == pytest.approx(bar, abs=0.001)
