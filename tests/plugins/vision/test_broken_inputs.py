"""A hundred broken inputs: each is named with its cause, and the others are processed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from detection_files import (
    SHOTS,
    Shot,
    Thing,
    coco_content,
    paint,
    write_coco,
    write_voc,
    write_yolo,
    yolo_line,
)
from PIL import Image
from zoo_vision.data.datasets import Boxes

from zoo import DataError

SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)
SUFFIXES = ("jpg", "png", "gif", "bmp", "tif", "webp")


def encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or paint(99, 160, 120)).save(file, format, **options)
    return file.getvalue()


FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP"}
FRAMES = {"save_all": True, "append_images": [paint(98, 160, 120)]}

IMAGES: dict[str, tuple[str, bytes, str]] = {
    **{
        f"truncated-{suffix}-{share}": (
            suffix,
            encoded(FORMATS[suffix])[: int(len(encoded(FORMATS[suffix])) * share)],
            "unreadable-image-truncated",
        )
        for suffix in SUFFIXES
        for share in SHARES
    },
    **{f"empty-{suffix}": (suffix, b"", "unreadable-image-empty") for suffix in SUFFIXES},
    **{
        f"text-{suffix}": (suffix, b"<html>404 not found</html>", "unreadable-image-not-an-image")
        for suffix in SUFFIXES
    },
    **{
        f"zeros-{suffix}": (suffix, bytes(4096), "unreadable-image-not-an-image")
        for suffix in SUFFIXES
    },
    "zip": ("jpg", b"PK\x03\x04" + bytes(500), "unreadable-image-not-an-image"),
    "pdf": ("png", b"%PDF-1.7\n" + bytes(500), "unreadable-image-not-an-image"),
    "svg": ("png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unreadable-image-not-an-image"),
    "huge-png": ("png", encoded("PNG", Image.new("1", (20_000, 15_000))),
                 "unreadable-image-too-many-pixels"),
    "huge-gif": ("gif", encoded("GIF", Image.new("1", (20_000, 15_000))),
                 "unreadable-image-too-many-pixels"),
    "jpeg-named-png": ("png", encoded("JPEG"), "wrong-suffix"),
    "png-named-jpg": ("jpg", encoded("PNG"), "wrong-suffix"),
    "webp-named-jpg": ("jpg", encoded("WEBP"), "wrong-suffix"),
    "tiff-named-bmp": ("bmp", encoded("TIFF"), "wrong-suffix"),
    "animated-gif": ("gif", encoded("GIF", **FRAMES), "several-frames"),
    "animated-webp": ("webp", encoded("WEBP", **FRAMES), "several-frames"),
    "animated-png": ("png", encoded("PNG", **FRAMES), "several-frames"),
    "paged-tiff": ("tif", encoded("TIFF", **FRAMES), "several-frames"),
    "cmyk-jpeg": ("jpg", encoded("JPEG", paint(99, 160, 120).convert("CMYK")), ""),
    "grey-jpeg": ("jpg", encoded("JPEG", paint(99, 160, 120).convert("L")), ""),
    "16-bit-png": ("png", encoded("PNG", Image.fromarray(np.full((120, 160), 999, np.uint16))), ""),
}  # fmt: skip
"""Name -> suffix, content, and the finding that names it; none if it is as good as any."""


@pytest.mark.parametrize("case", IMAGES)
def test_a_broken_image_is_named_and_the_others_are_used(tmp_path, case):
    suffix, content, code = IMAGES[case]
    path = write_voc(tmp_path / "data", [Shot("x", "train", [Thing(1, 1, 30, 30)]), *SHOTS])
    (path / "JPEGImages" / "x.png").unlink()
    broken = path / "JPEGImages" / f"x.{suffix}"
    broken.write_bytes(content)
    dataset = Boxes(path=str(path))

    data = dataset.load(seed=0, cache=tmp_path / "cache")
    named = [each.code for each in data.findings if each.where == str(broken)]

    assert (code in named) if code else not named
    used = not code.startswith("unreadable")
    assert data.info.counts["train"] == 3 + used
    if used:
        ids = [Path(name).stem for name in data.splits["train"][np.arange(4)]["id"]]
        picture = data.splits["train"][np.array([ids.index("x")])]["image"][0]
        assert picture.read().shape == (120, 160, 3)


def cut(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])


XML: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "blank": lambda file: file.write_text("\n \n"),
    "cut-early": lambda file: cut(file, 0.2),
    "cut-late": lambda file: cut(file, 0.9),
    "no-xml": lambda file: file.write_text("x1,y1,x2,y2\n1,2,3,4\n"),
    "other-root": lambda file: file.write_text("<html><body/></html>"),
    "crossed-tags": lambda file: file.write_text("<annotation><object></annotation></object>"),
    "bare-ampersand": lambda file: file.write_text("<annotation><name>a & b</name></annotation>"),
    "binary": lambda file: file.write_bytes(bytes(range(256))),
    "wrong-encoding": lambda file: file.write_bytes(
        b'<?xml version="1.0" encoding="utf-8"?><annotation>\xff\xfe</annotation>'
    ),
    "unknown-encoding": lambda file: file.write_bytes(
        b'<?xml version="1.0" encoding="klingon"?><annotation/>'
    ),
    "bomb": lambda file: file.write_text(
        '<!DOCTYPE a [<!ENTITY a0 "ha">'
        + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 12))
        + "]><annotation><name>&a11;</name></annotation>"
    ),
}


@pytest.mark.parametrize("case", XML)
def test_a_broken_xml_file_is_named_and_the_others_are_used(tmp_path, case):
    path = write_voc(tmp_path / "data")
    broken = path / "Annotations" / "a.xml"
    XML[case](broken)

    data = Boxes(path=str(path)).load(seed=0, cache=tmp_path / "cache")

    (finding,) = [each for each in data.findings if each.code == "broken-labels"]
    assert finding.where == str(broken)
    assert data.info.counts == {"train": 2, "validation": 1, "test": 1}


JSON: dict[str, bytes] = {
    "empty": b"",
    "cut-early": json.dumps(coco_content({0: SHOTS[0]})).encode()[:40],
    "cut-late": json.dumps(coco_content({0: SHOTS[0]})).encode()[:-9],
    "no-json": b"id,file_name\n1,a.png\n",
    "list": b"[1, 2, 3]",
    "no-images": b'{"annotations": [], "categories": []}',
    "images-no-list": b'{"images": {"a": 1}, "annotations": []}',
    "annotations-no-list": b'{"images": [], "annotations": 3}',
    "binary": bytes(range(256)),
    "deep": b'{"images": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("case", JSON)
def test_a_broken_json_file_is_named_and_the_others_are_used(tmp_path, case):
    shots = [SHOTS[3], SHOTS[4], *(Shot(f"t{k}", "train", SHOTS[0].things) for k in range(12))]
    path = write_coco(tmp_path / "data", shots)
    broken = path / "annotations" / "instances_val.json"
    broken.write_bytes(JSON[case])

    data = Boxes(path=str(path)).load(seed=0, cache=tmp_path / "cache")

    (finding,) = [each for each in data.findings if each.code == "broken-labels"]
    assert (finding.where, finding.level) == (str(broken), "error")
    counts = data.info.counts
    assert (counts["train"] + counts["validation"], counts["test"]) == (12, 1)
    with pytest.raises(DataError, match="instances_val"):
        Boxes(path=str(broken)).load(seed=0, cache=tmp_path / "cache")


YOLO: dict[str, bytes] = {
    "words": b"cat here\n",
    "binary": bytes(range(1, 128)),
    "not-text": b"\xff\xfe\x00\x01",
    "pixels": b"0 32 24 10 10\n",
    "unknown-class": b"7 0.5 0.5 0.2 0.2\n",
    "infinite": b"0 inf 0.5 0.2 0.2\n",
    "comma": b"0,0.5,0.5,0.2,0.2\n",
}


@pytest.mark.parametrize("case", YOLO)
def test_a_broken_text_file_is_named_and_the_others_are_used(tmp_path, case):
    path = write_yolo(tmp_path / "data")
    broken = path / "labels" / "train" / "a.txt"
    broken.write_bytes(YOLO[case])

    data = Boxes(path=str(path)).load(seed=0, cache=tmp_path / "cache")

    named = [each for each in data.findings if each.code.startswith("broken")]
    assert named
    assert all(each.where.startswith(str(broken)) for each in named)
    assert (data.info.counts["validation"], data.info.counts["test"]) == (1, 1)


YAML = {
    "empty": "",
    "not-yaml": "names: [cat, dog\ntrain: images/train\n",
    "no-names": "nc: many\ntrain: images/train\n",
    "names-are-text": "names: cat\ntrain: images/train\n",
}


@pytest.mark.parametrize("case", YAML)
def test_a_broken_yaml_file_is_an_error_that_names_it(tmp_path, case):
    path = write_yolo(tmp_path / "data")
    (path / "data.yaml").write_text(YAML[case])

    with pytest.raises(DataError, match=r"data\.yaml"):
        Boxes(path=str(path)).load(seed=0, cache=tmp_path / "cache")


def test_there_are_a_hundred_of_them():
    assert len(IMAGES) + len(XML) + len(JSON) + len(YOLO) + len(YAML) >= 100


def test_all_kinds_at_once_leave_the_good_images(tmp_path):
    good = [Shot(f"good{k}", "train", [Thing(5, 5, 30, 30)]) for k in range(20)]
    path = write_yolo(tmp_path / "data", good)
    for name, (suffix, content, _) in IMAGES.items():
        (path / "images" / "train" / f"{name}.{suffix}").write_bytes(content)
        line = yolo_line(Thing(1, 1, 9, 9))
        (path / "labels" / "train" / f"{name}.txt").write_text(line)

    data = Boxes(path=str(path)).load(seed=0, cache=tmp_path / "cache")

    wanted = {name for name, (_, _, code) in IMAGES.items() if code}
    assert wanted <= {Path(each.where).stem for each in data.findings}
    usable = sum(not code.startswith("unreadable") for _, _, code in IMAGES.values())
    assert sum(data.info.counts.values()) == 20 + usable
