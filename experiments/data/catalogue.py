"""The data sets by name: where they come from, what they may be used for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fieldsolver.errors import OptionError, listing, nearest

from . import ag_news, dbpedia, imdb, tiny_shakespeare
from .dataset import Dataset, Download, Pack, Source
from .remote import RemoteFile

_AG_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv"
_DBPEDIA = "https://huggingface.co/datasets/fancyzhx/dbpedia_14/resolve/main/dbpedia_14"


def _ag_news(description: str, text: Callable[[str], str]) -> Dataset:
    return Dataset(
        title="AG News",
        description=description,
        licence="research, non-commercial",
        citation="Zhang, Zhao and LeCun, NeurIPS 2015",
        cache="ag_news",
        classes=ag_news.CLASSES,
        rows=(120_000, 7_600),
        pack=Pack(["ag_news_train_subset.csv.xz", "ag_news_test.csv.xz"], partial(ag_news.read_pack, text=text)),
        download=Download(
            [
                RemoteFile("train.csv", f"{_AG_NEWS}/train.csv", "md5", "b1a00f826fdfbd249f79597b59e1dc12"),
                RemoteFile("test.csv", f"{_AG_NEWS}/test.csv", "md5", "d52ea96a97a2d943681189a97654912d"),
            ],
            partial(ag_news.read_official, text=text),
        ),
    )


DATASETS: dict[str, Dataset] = {
    "ag_news": _ag_news("news in four classes: title and description, as published", ag_news.published),
    "ag_news_clean": _ag_news("the same, with HTML entities mended and tags taken out", ag_news.cleaned),
    "imdb": Dataset(
        title="IMDB (Large Movie Review Dataset)",
        description="film reviews, good or bad",
        licence="none stated",
        citation="Maas et al., ACL 2011",
        cache="imdb",
        classes=imdb.CLASSES,
        rows=(25_000, 25_000),
        pack=Pack(["imdb_train.jsonl.xz", "imdb_test.jsonl.xz"], imdb.read_pack),
        download=Download(
            [
                RemoteFile(
                    "aclImdb_v1.tar.gz",
                    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                    "md5",
                    "7c2ac02c03563afcf9b574c7e56c153a",
                )
            ],
            imdb.read_official,
        ),
    ),
    "dbpedia": Dataset(
        title="DBpedia-14",
        description="first words of Wikipedia articles in 14 classes of things",
        licence="CC BY-SA 3.0",
        citation="Lehmann et al., Semantic Web 6 (2015); Zhang, Zhao and LeCun, NeurIPS 2015",
        cache="dbpedia",
        classes=dbpedia.CLASSES,
        rows=(560_000, 70_000),
        pack=Pack(
            ["dbpedia14_train_subset.csv.xz", "dbpedia14_eval_subset.csv.xz"], dbpedia.read_pack, "subset, content only"
        ),
        download=Download(
            [  # no checksum is published; the number of rows is compared
                RemoteFile("train.parquet", f"{_DBPEDIA}/train-00000-of-00001.parquet"),
                RemoteFile("test.parquet", f"{_DBPEDIA}/test-00000-of-00001.parquet"),
            ],
            dbpedia.read_official,
            "content only",
        ),
    ),
}

CORPORA: dict[str, Source[tuple[str, str]]] = {
    "tiny_shakespeare": Source(
        title="Tiny Shakespeare",
        description="a megabyte of Shakespeare's plays, as running text",
        licence="public domain",
        citation="Karpathy, char-rnn (2015)",
        cache="tiny_shakespeare",
        pack=Pack(["tinyshakespeare.txt.xz"], tiny_shakespeare.read),
        download=Download(
            [
                RemoteFile(
                    "input.txt",
                    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                    "sha256",
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                )
            ],
            tiny_shakespeare.read,
        ),
    ),
}


def find_dataset(name: str) -> Dataset:
    """The data set of this name; raises `OptionError` with the nearest one."""
    if name not in DATASETS:
        raise OptionError(f"there is no data set {name!r}; known: {listing(DATASETS)}{nearest(name, DATASETS)}")
    return DATASETS[name]


def find_corpus(name: str) -> Source[tuple[str, str]]:
    """The corpus of this name; raises `OptionError` with the nearest one."""
    if name not in CORPORA:
        raise OptionError(f"there is no corpus {name!r}; known: {listing(CORPORA)}{nearest(name, CORPORA)}")
    return CORPORA[name]
