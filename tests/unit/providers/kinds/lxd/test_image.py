"""An image of which an earlier run left a part: the upload without its alias."""

from __future__ import annotations

import pytest

from providers.errors import HearthError
from providers.kinds.lxd import image
from providers.kinds.lxd.api import ApiError
from tests.unit.providers.kinds.lxd.fake_daemon import Daemon, box, ok

PRINT = "5e" * 32
THERE = {"status": 400, "metadata": None, "error": "Image with same fingerprint already exists"}
UPLOADED = image.ImageInputs(host="box", alias="debian", file="/srv/an image.tar")
PULLED = image.ImageInputs(host="box", alias="debian", server="images", name="debian/13")


async def test_an_image_that_a_run_cut_short_left_without_its_alias_gets_it():
    there = Daemon().on("POST /1.0/images", THERE)
    session = box(there).on("sh -c", f"{PRINT}  -\n")
    session.put("/srv/an image.tar", "x")
    await image.apply(session, UPLOADED, image.ImageFacts(present=False))
    assert there.body("POST /1.0/images/aliases") == {"name": "debian", "target": PRINT}
    assert session.calls[-2].argv[-1] == "/srv/an image.tar"


@pytest.mark.parametrize(
    ("inputs", "answer"),
    [(PULLED, THERE), (UPLOADED, {**THERE, "error": "Invalid image"}), (UPLOADED, {**THERE, "error": "No space left"})],
)
async def test_any_other_refusal_of_an_image_is_told(inputs: image.ImageInputs, answer: dict[str, object]):
    there = Daemon().on("POST /1.0/images", answer)
    session = box(there)
    session.put("/srv/an image.tar", "x")
    with pytest.raises(ApiError, match="refused `POST"):
        await image.apply(session, inputs, image.ImageFacts(present=False))
    assert not any("aliases" in each for each in there.changes())


MACHINE = {"name": "debian", "target": PRINT, "type": "virtual-machine"}


@pytest.mark.parametrize(("wish", "differs"), [(None, False), ("virtual-machine", False), ("container", True)])
async def test_an_image_that_nothing_is_made_from_yet_is_of_the_type_that_its_archive_has(
    wish: str | None, differs: bool
):
    there = Daemon().on("GET /1.0/images/aliases/debian", ok(MACHINE))
    inputs = UPLOADED.model_copy(update={"type": wish})
    facts = await image.observe(box(there), inputs)
    assert ("type" in image.KIND.differences(inputs, facts)) is differs
    if differs:
        with pytest.raises(HearthError, match="leads to an image of type virtual-machine"):
            await image.apply(box(there), inputs, facts)
    else:
        await image.apply(box(there), inputs, facts)
    assert there.changes() == []
