"""The structure of an equation file, table by table; the checks and the JSON schema both come from it."""

from __future__ import annotations

from fieldsolver.space.convolution import EDGES, NORMS
from fieldsolver.space.schemes import ADVECTIONS, CLOSURES, DEALIASING, LAPLACIANS
from fieldsolver.space.spacing import TOWARDS
from fieldsolver.space.stencils import SPACE_ORDERS

from ..vocabulary import AXES
from .event_structure import event_tables
from .leaves import (
    COMPLEX,
    FIELD_OR_SIDE,
    NAME,
    STATE_NAME,
    flag,
    integer,
    list_of,
    names,
    number,
    number_or_text,
    numbers,
    text,
    word,
)
from .limits import MAX_CHANNELS, MAX_COMPONENTS, MAX_KERNEL_SIZE, MAX_SAVES
from .shapes import Choice, Key, Kinds, Leaf, Table

SCHEMA = 1
"""The newest version of the format that this code reads."""
CONDITIONS = ("dirichlet", "neumann", "robin", "absorbing")
CLOSED = ("periodic", "antiperiodic")
DTYPES = ("float64", "float32")


def file_structure() -> Table:
    """The whole file."""
    return Table(
        {
            "schema": Key(word(SCHEMA), "Version of this format.", required=True),
            "title": Key(text(), "What the file is, in one line."),
            "source": Key(text(), "Where the equation comes from: a paper, a book."),
            "equation": Key(_equation(), "The equation itself.", required=True),
            "grid": Key(_grid(), "The grid; without it the equation is an ordinary differential equation."),
            "boundary": Key(_boundary(), "Boundary conditions; needed with a grid."),
            "parameters": Key(Table(others=_parameter(), names=NAME), "Parameters by name."),
            "signals": Key(Table(others=_signal(), names=NAME), "Sampled inputs by name: linear between the samples."),
            "kernels": Key(Table(others=_kernel(), names=NAME), "Kernels by name, for convolve(name, ...)."),
            "modules": Key(Table(others=_module(), names=NAME), "Neural networks by name, called in the equation."),
            "events": Key(event_tables(), "What happens where a condition crosses zero: resets, and the end."),
            "initial": Key(_initial(), "The state at the start, an entry per field.", required=True),
            "solve": Key(_solve(), "How it is solved.", required=True),
            "output": Key(_output(), "The animation."),
        }
    )


def _equation() -> Table:
    size = Key(integer(1, MAX_COMPONENTS), "Number of components.", examples=(4,))
    return Table(
        {
            "text": Key(
                text(), "One equation per line, or separated by semicolons.", required=True,
                examples=("du/dt = D*laplacian(u) - u", "d2u/dt2 = c**2*laplacian(u)"),
            ),
            "components": Key(Table(others=size, names=NAME), "Components of fields that have more than one."),
            "complex_fields": Key(names(), "Names of the fields that are complex."),
            "space_order": Key(
                word(*SPACE_ORDERS), "Order of the finite differences, where scheme says nothing else.", default=2,
            ),
            "scheme": Key(_schemes(), "How derivatives are taken: for all axes, or a table per axis.",
                          examples=({"kind": "spectral", "dealias": "pad"},)),
            "calculus": Key(word("ito", "stratonovich"), "Meaning of the noise; needed with noise, refused without."),
        },
        not_both=("space_order", "scheme"),
    )  # fmt: skip


def _schemes() -> Choice:
    differences = Table(
        {
            "kind": Key(word("finite_difference"), "Differences of neighbouring points.", required=True),
            "order": Key(word(*SPACE_ORDERS), "Order of accuracy inside the domain.", default=2),
            "closure": Key(word(*CLOSURES), "At walls: mirror images, or one-sided differences with penalties, of high "
                           "order up to the wall of a node-centred grid.", default="reflection"),
            "advection": Key(word(*ADVECTIONS), "How advection(v, u) is taken.", default="central"),
            "laplacian": Key(word(*LAPLACIANS), "One stencil per axis, or one whose error has no direction.",
                             default="axes"),
        }
    )  # fmt: skip
    spectral = Table(
        {
            "kind": Key(word("spectral"), "Fourier, cosine or sine series, or Chebyshev points.", required=True),
            "dealias": Key(word(*DEALIASING), "What is done about products, whose short waves the grid takes for "
                           "longer ones: the 2/3 rule or the 3/2 rule; nothing unless given."),
        }
    )  # fmt: skip
    one = Kinds({"finite_difference": differences, "spectral": spectral})
    per_axis = Table({axis: Key(one, f"Along {axis}.", required=axis == "x") for axis in AXES})
    return Choice('a table such as { kind = "finite_difference", order = 4 }, or one per axis', (),
                  dict.fromkeys(AXES, per_axis), rest=one, name="scheme")  # fmt: skip


def _grid() -> Table:
    shape = _points("a list of one to three integers")
    return Table(
        {
            "shape": Key(shape, "Number of points per axis.", required=True, examples=([128, 128],)),
            "extent": Key(
                numbers("a number above 0 or one per axis", 0, 1), "Length of the domain, which begins at 0.",
                examples=(2.5,),
            ),
            "bounds": Key(
                numbers("[low, high] or a pair of them per axis", 1, 2), "The ends of every axis, instead of extent.",
                examples=([[0.0, 1.0], [-1.0, 1.0]],),
            ),
            "centring": Key(word("cell", "node"), "Where the unknowns lie.", default="cell"),
            "periodic": Key(names(), "Periodic axes of a node-centred grid.", examples=(["x"],)),
            "nodes": Key(Table({axis: Key(_nodes(), f"Along {axis}.") for axis in AXES}),
                         "Positions along the axes whose points are not equally far apart.",
                         examples=({"x": {"kind": "chebyshev"}},)),
        },
        one_of=("extent", "bounds"),
    )  # fmt: skip


def _points(expected: str) -> Leaf:
    """Points per axis: an integer, or a list of up to three."""
    points = integer(2)
    several = list_of(points, expected, least=1, most=len(AXES))
    content = {"anyOf": [dict(points.content), dict(several.content)]}
    return Leaf(f"{expected}, at least 2 each,", lambda value: points.test(value) or several.test(value), content)


def _nodes() -> Choice:
    chebyshev = Table({"kind": Key(word("chebyshev"), "Images of equal angles: dense at both walls.", required=True)})
    polynomial = Table(
        {
            "kind": Key(word("polynomial"), "A power of equally spaced points.", required=True),
            "power": Key(number(least=1.0), "The power; 1 leaves them equally spaced.", default=2.0),
            "towards": Key(word(*TOWARDS), "The walls at which they are dense.", default="both"),
        }
    )
    positions = list_of(number(), "a list of increasing positions", least=2)
    return Choice('a list of increasing positions or a table such as { kind = "chebyshev" }', (positions,),
                  rest=Kinds({"chebyshev": chebyshev, "polynomial": polynomial}), name="nodes")  # fmt: skip


def _wall_value() -> Choice:
    return number_or_text('a number or an expression such as "sin(2*pi*t)"', "wall_value")


def _condition_table() -> Table:
    value = Key(_wall_value(), "A number, or an expression in the coordinates, t and the parameters.", default=0.0)
    robin = Table(
        {
            "a": Key(number(), "Factor of u.", required=True),
            "b": Key(number(), "Factor of the outward derivative.", required=True),
            "value": value,
        }
    )
    speed = Choice('a number above 0 or an expression such as "c"', (number(above=0.0), text()))
    return Table(
        {
            "dirichlet": Key(_wall_value(), "u = value on the wall.", examples=(0.0,)),
            "neumann": Key(_wall_value(), "Outward derivative du/dn = value.", examples=(0.0, "sin(2*pi*t)")),
            "robin": Key(robin, "a u + b du/dn = value.", examples=({"a": 1.0, "b": 2.0, "value": 0.0},)),
            "absorbing": Key(speed, "Waves of this speed leave: du/dt + speed du/dn = 0, for an equation d2u/dt2.",
                             examples=(1.0, "c")),
        },
        one_of=CONDITIONS,
    )  # fmt: skip


def _boundary() -> Choice:
    expected = '"periodic", "antiperiodic" or a table such as { neumann = 0.0 }'
    table = _condition_table()
    condition = Choice(expected, (word(*CLOSED),), rest=table, name="condition")
    sides = [axis + end for axis in AXES for end in ("", "-", "+")]
    per_side = Table({side: Key(condition, "Both ends, or the low (-) or high (+) end.") for side in sides},
                     known=CONDITIONS)  # fmt: skip
    per_field = Choice(expected, (word(*CLOSED),), dict.fromkeys(CONDITIONS, table), per_side, "field_boundary")
    pattern, what = FIELD_OR_SIDE
    return Choice(
        "a table", (), {"all": Table({"all": Key(condition, "For all fields and sides.")})},
        Table(others=Key(per_field, "Of one field, or of one side of all fields."),
              names=(f"^(?!all$){pattern.removeprefix('^')}", what)),
    )  # fmt: skip


def _parameter() -> Key:
    values = "a finite number, a list or a matrix"
    range_ = {
        "positive": Key(flag(), "Keep it above zero.", default=False),
        "bounds": Key(list_of(number(), "two numbers [low, high]", least=2, most=2), "Keep it between these."),
    }
    fixed = {"trainable": Key(flag(), "Whether it may be fitted and trained.", default=False), **range_}
    spatial = Choice(
        "an expression, or a list of them, one per component,",
        (text(), list_of(text(), "a list of expressions", least=1)),
    )
    return Key(
        Choice(
            "a finite number, a list of them, an expression or a table such as { value = 1.0, positive = true }",
            (numbers(values, 0, 2, complex_ok=True), text()),
            {
                "value": Table(
                    {
                        "value": Key(numbers(values, 0, 2, complex_ok=True), "Where it starts.", required=True),
                        "trainable": Key(flag(), "Whether it may be fitted and trained.", default=True),
                        **range_,
                    }
                ),
                "spatial": Table(
                    {"spatial": Key(spatial, "An expression in the coordinates, evaluated on the grid once; "
                                    "a list gives components.", required=True, examples=("exp(-x**2)",)), **fixed}
                ),
                "per_sample": Table(
                    {"per_sample": Key(numbers("a list of numbers, or of lists", 1, 2), "One entry per sample of the "
                                       "batch: the file is solved for all of them at once.", required=True,
                                       examples=([0.1, 0.2, 0.3],)), **fixed}
                ),
                "re": COMPLEX,
                "im": COMPLEX,
            },
            name="parameter",
        ),
        "A number; a list with one entry per component; a matrix for K @ phi; an expression as text; or a table.",
        examples=(0.1, "2*pi*f", {"value": 0.1, "positive": True}),
    )  # fmt: skip


def _signal() -> Key:
    samples = Table({
        "times": Key(numbers("a list of increasing times", 1, 1), "Times, increasing.", required=True,
                     examples=([0.0, 1.0],)),
        "values": Key(numbers("a list of numbers, or of lists", 1, 2), "A number per time, or a list of components.",
                      required=True, examples=([0.0, 0.5],)),
    })  # fmt: skip
    csv = Table({
        "csv": Key(text(), "A CSV file with a header, in the folder of this file or below.", required=True,
                   examples=("input.csv",)),
        "columns": Key(list_of(text(), "two or more names of columns, the time first,", least=2),
                       "Names of the columns: the time, then the value or its components.", required=True,
                       examples=(["t", "I"],)),
    })  # fmt: skip
    return Key(
        Choice(
            'a table such as { times = [0, 1], values = [0.0, 0.5] } or { csv = "input.csv", columns = ["t", "I"] }',
            (), {"times": samples, "values": samples, "csv": csv, "columns": csv},
            name="signal",
        ),
        "Samples, linear between the times, constant before the first and after the last.",
    )  # fmt: skip


def _kernel() -> Key:
    edge = Key(
        word(*EDGES), "What lies beyond the domain: nothing, the domain again, or its mirror image.", required=True
    )
    function = Key(text(), "An expression in the displacement x, y, z and plain parameters.", required=True,
                   examples=("exp(-abs(x))/2",))  # fmt: skip
    values = Key(
        numbers("nested lists of numbers", 1, 3),
        "Samples at the displacements -n h .. n h: an odd number along every axis, the middle one at displacement 0.",
        required=True,
    )
    radius = Key(number(above=0.0), "The function counts up to this displacement; without it, over all of the domain.")
    normalise = Key(word(*filter(None, NORMS)), "What is divided out: the sum of the samples times the volume of a "
                    "cell, or that of their absolute values; nothing unless given.")  # fmt: skip
    return Key(
        Choice(
            'a table such as { function = "exp(-abs(x))/2", edge = "zero" }', (),
            {
                "function": Table({"function": function, "edge": edge, "radius": radius, "normalise": normalise}),
                "values": Table({"values": values, "edge": edge, "normalise": normalise}),
            },
            name="kernel",
        ),
        "A convolution kernel.",
    )  # fmt: skip


def _module() -> Key:
    seed = Key(integer(), "Seed of the weights.", default=0)
    width = integer(1, MAX_CHANNELS)
    mlp = Table(
        {
            "kind": Key(word("mlp"), "A perceptron that acts point by point.", required=True),
            "inputs": Key(width, "Number of inputs: all components of all arguments.", required=True),
            "hidden": Key(list_of(width, "a list of positive integers", most=64), "Width of the hidden layers.",
                          examples=([16, 16],)),
            "outputs": Key(width, "Number of outputs.", required=True),
            "seed": seed,
        }
    )  # fmt: skip
    conv = Table(
        {
            "kind": Key(word("conv"), "Convolutions over the grid, padded as the boundary says.", required=True),
            "channels": Key(list_of(width, "a list of at least two positive integers", least=2, most=64),
                            "Number of inputs, widths, number of outputs.", required=True, examples=([2, 16, 2],)),
            "kernel_size": Key(integer(1, MAX_KERNEL_SIZE), "Points per axis, odd.", default=3),
            "seed": seed,
        }
    )  # fmt: skip
    return Key(Kinds({"mlp": mlp, "conv": conv}), "A neural network with tanh between its layers.")


def _initial() -> Table:
    expected = "a number, an expression, or { expression = ..., noise = ... }"
    value = (number(), text())
    one = Choice(expected, value, {"re": COMPLEX, "im": COMPLEX})
    several = list_of(one, "a list with one entry per component", least=1)
    table = Table(
        {
            "expression": Key(Choice(expected, (*value, several), {"re": COMPLEX, "im": COMPLEX}),
                              "A number, an expression in the coordinates and parameters, or a list of them, one per "
                              "component.", required=True),
            "noise": Key(number(), "Standard deviation of normal noise that is added at every point.", default=0.0),
        }
    )  # fmt: skip
    entry = Choice(expected, (*value, several), {"expression": table, "re": COMPLEX, "im": COMPLEX}, name="initial")
    return Table(
        {"seed": Key(integer(), "Seed of the noise.", default=0)},
        others=Key(entry, 'The start of one field, or of the velocity "du/dt" of one with an equation d2u/dt2.'),
        names=STATE_NAME,
    )


def _solve() -> Table:
    span = list_of(number(), "two numbers, such as [0.0, 100.0],", least=2, most=2)
    return Table(
        {
            "t_span": Key(span, "Start and end.", required=True, examples=([0.0, 100.0],)),
            "saves": Key(
                integer(2, MAX_SAVES), "Number of equidistant times to keep, both ends included.", default=101
            ),
            "save_at": Key(list_of(number(), "a list of times", least=1), "Times to keep, instead of saves."),
            "dtype": Key(word(*DTYPES), "Precision of the state.", default="float64"),
            "max_steps": Key(integer(1), "Attempted steps before it gives up.", default=1_000_000),
            "dt": Key(number(above=0.0), "Fixed step; without it the steps follow the tolerances."),
            "rtol": Key(number(), "Relative tolerance of adaptive steps.", default=1e-6),
            "atol": Key(number(), "Absolute tolerance of adaptive steps.", default=1e-9),
            "method": Key(
                text(), "Scheme; 'fieldsolver list methods' names them.", default="auto", examples=("tsit5",)
            ),
            "check": Key(word("refuse", "warn", "off"), "What to do about an unstable fixed step.", default="refuse"),
        },
        not_both=("saves", "save_at"),
    )


def _output() -> Table:
    return Table(
        {
            "field": Key(text(), "The field that is shown."),
            "fps": Key(integer(1, 1000), "Pictures per second.", default=15),
        }
    )
