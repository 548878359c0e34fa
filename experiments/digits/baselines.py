"""What anybody can have in a second: the yardsticks beside the network's accuracy, measured on the same split."""

from __future__ import annotations

from typing import Any

from .data import Part


def baselines(train: Part, test: Part) -> dict[str, float]:
    """Test accuracy of the majority class, logistic regression and an RBF support vector machine.

    Logistic regression as scikit-learn ships it; for the support vector machine C = 10, which is known to suit these
    images: a yardstick should be as long as it gets.
    """
    inputs, labels = train.to_numpy()
    return {name: float(model.fit(inputs, labels).score(*test.to_numpy())) for name, model in _models().items()}


def _models() -> dict[str, Any]:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    return {
        "majority class": DummyClassifier(strategy="most_frequent"),
        "logistic regression": LogisticRegression(max_iter=10_000),
        "RBF support vector machine": SVC(C=10.0),
    }
