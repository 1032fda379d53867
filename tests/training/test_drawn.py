"""Training on sequences that are drawn as they are needed."""

from typing import Any

import pytest

from stforecast.card import RunCard
from stforecast.errors import ConfigError, Interrupted, RunError
from stforecast.forecast import load_trained, period_samples, predict
from stforecast.store import TensorStore
from tests.training.conftest import AfterStep, Trainer, equal
from tests.videos import moving_store

OPTIONS: dict[str, Any] = {"max_steps": 7, "batch_size": 4, "validations": 2}


@pytest.fixture
def store(tmp_path) -> TensorStore:
    """3 batches of 4, 4 and 2 make an epoch."""
    return moving_store(tmp_path)


def test_a_run_learns_from_what_is_drawn_and_is_tested_on_what_is_stored(trainer: Trainer) -> None:
    card = trainer(**OPTIONS)
    assert card.training.samples == 10
    assert card.training.epochs == pytest.approx(7 / 3, abs=1e-3)
    assert card.sequences == {"validation": (0, 3), "test": (3, 7)}
    assert set(card.splits) == {"train", "validation", "test"}
    assert "the training sequences are drawn as they are needed" in card.notes[0]
    assert any("10 windows for training, 6 for validation" in line for line in trainer.lines)
    model = load_trained(trainer.folder)
    inits, sequences = period_samples(trainer.store, model.spec, card, "test", horizon=2)
    assert sequences == [3, 4, 5, 6]
    product = predict(model, trainer.store, inits, sequences=sequences)
    assert product.sequence.values.tolist() == [3, 4, 5, 6]
    with pytest.raises(ConfigError, match="training sequences of the run 'tiny' were drawn"):
        period_samples(trainer.store, model.spec, card, "train", horizon=2)


@pytest.mark.parametrize("step", [2, 4])
def test_it_resumes_with_the_very_next_batch(
    trainer: Trainer, store: TensorStore, after_step: AfterStep, tmp_path, step: int
) -> None:
    whole = Trainer(store, tmp_path / "whole")
    whole(**OPTIONS)
    after_step(step, lambda session: session._stop.ask())
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    after_step(-1, lambda session: None)
    trainer(**OPTIONS, resume=True)
    assert equal(trainer.weights(), whole.weights())
    assert trainer.metrics() == whole.metrics()


def test_other_sequences_are_another_experiment(
    trainer: Trainer, after_step: AfterStep, tmp_path
) -> None:
    after_step(2, lambda session: session._stop.ask())
    with pytest.raises(Interrupted):
        trainer(**OPTIONS)
    other = moving_store(tmp_path, seed=1)
    with pytest.raises(RunError, match="cannot go on with another experiment"):
        trainer(**OPTIONS, store=other, resume=True)
    assert RunCard.read(trainer.folder).training.steps == 2
