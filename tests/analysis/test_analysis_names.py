"""The public names of the room."""

import fieldsolver.analysis as room


def test_the_public_names_are_complete_and_sorted():
    assert sorted(room.__all__, key=lambda name: (not name[0].isupper(), name)) == list(room.__all__)
    for name in room.__all__:
        assert getattr(room, name).__module__.startswith("fieldsolver.analysis")
        assert getattr(room, name).__doc__
