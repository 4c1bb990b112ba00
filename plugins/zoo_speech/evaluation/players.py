"""Recordings in a report, to be played there: the file needs no other."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence

import soundfile
from markupsafe import Markup

import zoo
from zoo_speech.audio.recording import Sound

_SECONDS = 20
"""What a report holds of a recording at most."""


def played(
    title: str,
    caption: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    recordings: Iterable[Sound],
) -> zoo.Figure:
    """Return a table with a player in the last column of each row.

    Args:
        title: a few words.
        caption: what is to be heard in it.
        columns: the headings of the other columns.
        rows: texts, one for each of these columns.
        recordings: of each row; the beginning of a long one is played.
    """
    head = Markup("").join(map(Markup("<th>{}</th>").format, [*columns, "recording"]))
    body = Markup("\n").join(
        Markup("<tr>{}<td>{}</td></tr>").format(
            Markup("").join(map(Markup("<td>{}</td>").format, cells)), player(recording)
        )
        for cells, recording in zip(rows, recordings, strict=True)
    )
    html = Markup('<table class="zoo-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>')
    return zoo.Figure(title, caption, str(html.format(head, body)))


def player(recording: Sound) -> Markup:
    """Return an `<audio>` with the recording in its address, as FLAC."""
    data = io.BytesIO()
    sound = recording.read(0, _SECONDS * recording.rate)
    soundfile.write(data, sound, recording.rate, format="FLAC", subtype="PCM_16")
    address = f"data:audio/flac;base64,{base64.b64encode(data.getvalue()).decode()}"
    return Markup('<audio controls preload="none" src="{}"></audio>').format(address)
