"""The trainer: what to train on, how, and what a run leaves."""

from .checkpoint import BEST, CHECKPOINT
from .failures import NotSaved, TrainingFailed
from .guard import OFFENDING, OffendingBatch, read_offending_batch
from .language_task import evaluate_questions, language_task
from .lazy_adamw import LazyAdamW
from .logs import LOG
from .outcome import RESULT, TrainingRun, read_result
from .schedule import learning_rate
from .settings import TrainSettings
from .task import Measured, Task
from .text_task import evaluate_split, predict, text_task
from .trainer import train

__all__ = [
    "BEST",
    "CHECKPOINT",
    "LOG",
    "OFFENDING",
    "RESULT",
    "LazyAdamW",
    "Measured",
    "NotSaved",
    "OffendingBatch",
    "Task",
    "TrainSettings",
    "TrainingFailed",
    "TrainingRun",
    "evaluate_questions",
    "evaluate_split",
    "language_task",
    "learning_rate",
    "predict",
    "read_offending_batch",
    "read_result",
    "text_task",
    "train",
]
