"""Events in equation files: they are those of Python, and what is wrong is said with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.file_format import EquationFile, load_equation
from fieldsolver.equations.files.document import Document, read_document
from fieldsolver.equations.files.limits import MAX_EVENTS
from fieldsolver.equations.files.lines import line_of
from fieldsolver.equations.files.problems import find_problems

NEURON = """\
schema = 1
[equation]
text = '''
dv/dt = (I - v)/tau - w
dw/dt = -w/tau
'''
[parameters]
I = 4.0
tau = { value = 2.0, positive = true }
[[events]]
condition = "v - threshold"
direction = "up"
name = "spike"
max_events = 50
[events.reset]
v = 0.25
w = "w + b*v"
[[events]]
condition = "t - 3"
terminal = true
[initial]
v = 0.0
w = 0.0
[solve]
t_span = [0.0, 5.0]
"""
GIVEN = {"I": 4.0, "tau": fs.Parameter(2.0, positive=True), "threshold": 1.0, "b": 0.5}
EVENTS = (
    fs.Event("v - threshold", "up", {"v": 0.25, "w": "w + b*v"}, name="spike", max_events=50),
    fs.Event("t - 3", terminal=True),
)
SPIKING = NEURON.replace("I = 4.0", "I = 4.0\nthreshold = 1.0\nb = 0.5")


def load(folder: Path, text: str) -> EquationFile:
    (folder / "case.toml").write_text(text, encoding="utf-8")
    return load_equation(folder / "case.toml")


@pytest.mark.parametrize("inline", [False, True])
def test_events_of_a_file_are_those_of_python(tmp_path: Path, inline: bool) -> None:
    text = SPIKING
    if inline:
        text = text.replace("[events.reset]\nv = 0.25\nw =", "reset.v = 0.25\nreset.w =")
    file = load(tmp_path, text)
    given = {key: (value.event.direction, value.event.terminal, value.event.name, value.event.max_events)
             for key, value in enumerate(file.equation.events)}  # fmt: skip
    assert given == {0: ("up", False, "spike", 50), 1: ("both", True, None, 10_000)}
    python = fs.FieldEquation("dv/dt = (I - v)/tau - w; dw/dt = -w/tau", parameters=GIVEN, events=EVENTS)
    assert str(file.equation) == str(python)
    assert file.equation.fingerprint() == python.fingerprint()
    with torch.no_grad():
        own, other = (fs.solve(equation, file.initial, **file.solve) for equation in (file.equation, python))
    assert own.events.names == other.events.names == ("spike", "t - 3")
    assert len(own.events.times("spike")) > 3
    assert own.events.times("t - 3").tolist() == pytest.approx([3.0])
    assert own.status.item() == fs.Status.EVENT
    for one, two in ((own.y, other.y), (own.events.t, other.events.t), (own.events.y_after, other.events.y_after)):
        torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)


def test_the_text_of_an_event_gives_the_same_event_again(tmp_path: Path) -> None:
    """Graph to text to file to graph, as everything else that is text in a file."""
    first = load(tmp_path, SPIKING).equation
    tables = []
    for declared in first.events:
        tables.append(f'[[events]]\nname = "{declared.name}"\ncondition = "{declared.condition}"\n')
        tables.append(f'direction = "{declared.event.direction}"\nterminal = {str(declared.event.terminal).lower()}\n')
        if isinstance(declared.reset, dict):
            tables.append("[events.reset]\n" + "".join(f'{name} = "{node}"\n' for name, node in declared.reset.items()))
    head, tail = SPIKING.split("[[events]]", 1)
    again = load(tmp_path, head + "".join(tables) + tail[tail.index("[initial]") :]).equation
    assert [str(event) for event in again.events] == [str(event) for event in first.events]
    assert [event.nodes() for event in again.events] == [event.nodes() for event in first.events]


def test_complex_numbers_velocities_and_means(tmp_path: Path) -> None:
    text = (
        'schema = 1\n[equation]\ntext = "d2u/dt2 = laplacian(u)"\ncomplex_fields = ["u"]\n[grid]\nshape = [8]\n'
        'extent = 1.0\n[boundary]\nall = "periodic"\n[[events]]\ncondition = "real(mean(u)) - 1"\n'
        'reset = { u = { re = 0.0, im = 2.0 }, "du/dt" = "-1j*d_dt(u)" }\n'
        '[initial]\nu = 0.0\n"du/dt" = 1.0\n[solve]\nt_span = [0.0, 1.5]\n'
    )
    file = load(tmp_path, text)
    solution = fs.solve(file.equation, file.initial, **file.solve)
    assert solution.events.t.tolist() == pytest.approx([1.0], abs=1e-6)
    after = file.equation.unpack(solution.events.y_after)
    torch.testing.assert_close(after["u"], torch.full((1, 8), 2j, dtype=torch.complex128))
    torch.testing.assert_close(after["du/dt"], torch.full((1, 8), -1j, dtype=torch.complex128), rtol=0, atol=1e-6)


def test_parameters_of_events_are_parameters_of_the_equation(tmp_path: Path) -> None:
    """A parameter that only an event and the start use is one; the name of an event uses none."""
    equation = load(tmp_path, SPIKING.replace("v = 0.0\n", 'v = "b - threshold"\n')).equation
    assert {"threshold", "b"} <= set(equation.declared)
    named = SPIKING.replace('"spike"', '"v0"').replace("b = 0.5", "b = 0.5\nv0 = 0.5")
    file = load(tmp_path, named.replace("v = 0.0\n", 'v = "v0"\n'))
    assert "v0" not in file.equation.declared
    assert file.initial["v"].item() == 0.5
    defined = SPIKING.replace("threshold = 1.0", 'half = 0.5\nthreshold = "2*half"')
    assert "threshold" in load(tmp_path, defined).equation.definitions


STRUCTURE: dict[str, tuple[str, str, int, str]] = {
    "unknown key": ("name =", "nmae =", 15, "[events] #1 does not know the key 'nmae'; known: condition, direction"),
    "misspelt condition": ('condition = "t', 'conditon = "t', 21, "[events] #2 does not know the key 'conditon'"),
    "no condition": ('condition = "t - 3"\n', "", 20, "[events] #2 lacks 'condition', such as 'v - 1'"),
    "a number": ('"t - 3"', "3", 21, "[events] #2 needs text for 'condition', got 3"),
    "direction": ('"up"', '"upp"', 14, "[events] #1 needs one of up, down, both for 'direction', got 'upp'"),
    "terminal": ("true\n[in", "1\n[in", 22, "[events] #2 needs true or false for 'terminal', got 1"),
    "max_events": ("= 50", "= 0", 16, "[events] #1 needs an integer, at least 1, for 'max_events', got 0"),
    "reset to true": ("0.25", "true", 18, "[events] #1 reset needs a number or an expression such as \"-e*v\" for 'v'"),
    "reset of no name": ("v = 0.25", '"v[0]" = 0', 18, "[events] #1 reset has the key 'v[0]', which is not a field"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRUCTURE)
def test_a_wrong_structure_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    old, new, line, sentence = STRUCTURE[case]
    assert SPIKING.count(old) == 1
    refused(tmp_path, SPIKING.replace(old, new), line, sentence, fs.FileFormatError)


MEANING: dict[str, tuple[str, str, int, str, type[Exception]]] = {
    "unknown name": ('"v - threshold"', '"z - threshold"', 13, "in the condition of event 'spike': unknown name 'z'",
                     fs.EquationError),
    "comparison": ('"t - 3"', '"t > 3"', 21, "the condition of event 't > 3' is the comparison t > 3; write its",
                   fs.EquationError),
    "constant": ('"t - 3"', '"I - 3"', 21, "never changes", fs.EquationError),
    "grammar": ("w + b*v", "w + b*v*", 19, "in the reset of 'w' by event 'spike'", fs.EquationError),
    "no state": ("w = \"w + b", "I = \"w + b", 17, "the reset of event 'spike' names 'I', but the states are v, w",
                 fs.EquationError),
    "function": ('"t - 3"', '"lambda t, y: t - 3"', 20, "is a Python function, which a file cannot hold; write an",
                 fs.FileFormatError),
    "blank name": ('"spike"', '" "', 12, "[events] #1: the name of an event is text such as 'spike', got ' '",
                   fs.FileFormatError),
    "same name": ('"spike"', '"t - 3"', 20, "[events] #2: two events are called 't - 3'", fs.FileFormatError),
    "empty reset": ('v = 0.25\nw = "w + b*v"\n', "", 12, "[events] #1: reset is empty", fs.FileFormatError),
}  # fmt: skip


@pytest.mark.parametrize("case", MEANING)
def test_a_wrong_event_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    old, new, line, sentence, kind = MEANING[case]
    assert SPIKING.count(old) == 1
    refused(tmp_path, SPIKING.replace(old, new), line, sentence, kind)


def refused(folder: Path, text: str, line: int, sentence: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        load(folder, text)
    assert sentence in str(caught.value)
    (problem, *more), file = find_problems(read_document(folder / "case.toml"))
    assert file is None
    assert not [other for other in more if not other.consequence]
    assert problem.line == line
    assert sentence in problem.message


def test_a_table_a_list_of_numbers_and_too_many(tmp_path: Path) -> None:
    def says(events: Any) -> list[str]:
        return [str(fault) for fault in Document(Path("case.toml"), "", {"events": events}).faults() if
                fault.keys[:1] == ("events",)]  # fmt: skip

    assert says({"condition": "u"}) == [
        "the top level needs tables that each begin with [[events]] for 'events', got {'condition': 'u'}"
    ]
    assert says([1]) == ["[events] needs a table for '#1', got 1"]
    assert says([{"condition": "u"}] * (MAX_EVENTS + 1)) == [
        f"[events] has {MAX_EVENTS + 1} tables; at most {MAX_EVENTS} are allowed"
    ]
    assert says([]) == []


def test_two_unknown_keys_in_two_events_are_both_found_and_the_rest_is_read(tmp_path: Path) -> None:
    text = SPIKING.replace("max_events", "most").replace("terminal = true", "terminal = true\nthen = 1")
    (tmp_path / "case.toml").write_text(text.replace("(I - v)", "(J - v)"), encoding="utf-8")
    problems, _ = find_problems(read_document(tmp_path / "case.toml"))
    assert [(problem.line, problem.consequence) for problem in problems] == [(16, False), (23, False), (4, True)]
    assert "unknown name 'J'" in problems[2].message


def test_lines_of_lists_of_tables() -> None:
    text = "\n".join([
        "a = 1", "[[events]]", "condition = 'u'", "[events.reset]", "u = 1", "[[ events ]]", "reset = { u = 1 }",
        "condition = 'v'", "[other]", "condition = 1",
    ])  # fmt: skip
    places = {
        ("events",): 2, ("events", "#1"): 2, ("events", "#1", "condition"): 3, ("events", "#1", "reset"): 4,
        ("events", "#1", "reset", "u"): 5, ("events", "#2"): 6, ("events", "#2", "reset", "u"): 7,
        ("events", "#2", "condition"): 8, ("other", "condition"): 10,
    }  # fmt: skip
    assert {keys: line_of(text, keys) for keys in places} == places
