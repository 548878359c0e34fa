"""A field as a film."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor

from fieldsolver.errors import MissingDependencyError, OptionError
from fieldsolver.themes import drawn_in

from .snapshots import as_pictures, colour_limits


def animate_field(path: Path, t: Tensor, values: Tensor, *, fps: int = 10, theme: str = "light") -> Path:
    """Write a film, .gif or .mp4, of one text; the file appears whole or not at all.

    Args:
        path: of the file to write.
        t: times, (T,).
        values: (T, C, N), or in the plane (T, C, H, W), of which the root mean square over C is shown.
        fps: pictures per second.
        theme: ``"light"`` or ``"dark"``.

    Raises:
        OptionError: another kind of file, no such folder, or no positive rate.
        MissingDependencyError: .mp4 without ffmpeg.
        StateError: values of another shape.
    """
    from matplotlib.animation import FuncAnimation
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    if not path.parent.is_dir():
        raise OptionError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if fps < 1:
        raise OptionError(f"a film has at least 1 picture per second, got fps={fps}")
    writer, shown = _writer(path, fps), as_pictures(values)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    with drawn_in(theme):
        figure = Figure(figsize=(5.0, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        image = axes.imshow(shown[0], **colour_limits(shown), aspect="auto" if values.dim() == 3 else "equal")  # type: ignore[arg-type]  # keywords of imshow
        axes.set_xlabel("token" if values.dim() == 3 else "x")
        axes.set_ylabel("channel" if values.dim() == 3 else "y")
        figure.colorbar(image, ax=axes)
        title = axes.set_title(f"t = {float(t[0]):.3g}")

        def draw(frame: int) -> list[Any]:
            image.set_data(shown[frame])
            title.set_text(f"t = {float(t[frame]):.3g}")
            return [image, title]

        film = FuncAnimation(figure, draw, frames=len(shown), interval=1000 / fps, blit=False)
        try:
            film.save(temporary, writer=writer)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _writer(path: Path, fps: int) -> Any:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if path.suffix == ".gif":
        return PillowWriter(fps=fps)
    if path.suffix != ".mp4":
        raise OptionError(f"a film is .gif or .mp4, got {path.name!r}")
    if not FFMpegWriter.isAvailable():
        raise MissingDependencyError("writing .mp4 needs the program ffmpeg; install it, or write a .gif")
    return FFMpegWriter(fps=fps)
