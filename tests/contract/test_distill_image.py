"""The distillation Job's image with CUDA is the plain one, and what a GPU needs besides."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FROM_DEBIAN = {"torch", "numpy"}
"""What the plain image takes from Debian: requirements/distill.exclude."""


def locked(name: str) -> dict[str, str]:
    """Versions by package."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_the_image_with_cuda_has_all_that_the_plain_one_has_in_the_same_versions() -> None:
    plain, cuda = locked("distill"), locked("distill-cuda")
    assert plain.items() <= cuda.items()
    assert cuda.keys() >= FROM_DEBIAN
    assert FROM_DEBIAN.isdisjoint(plain)


def test_the_image_with_cuda_brings_what_matrices_convolutions_and_sums_over_workers_need() -> None:
    there = {name for name in locked("distill-cuda") if name.startswith("nvidia-")}
    assert all(any(name.startswith(f"nvidia-{what}") for name in there) for what in ("cublas", "cudnn", "nccl"))


def test_each_device_that_the_image_is_built_for_has_its_list() -> None:
    recipe = (ROOT / "distill_job" / "Dockerfile").read_text()
    lists = dict(re.findall(r"\b(cpu|cuda)\) list=(\S+)", recipe))
    assert lists == {"cpu": "distill", "cuda": "distill-cuda"}
    assert all(f"requirements/{name}.txt" in recipe for name in lists.values())
    assert set(re.findall(r"^FROM \S+ AS (cpu|cuda)$", recipe, re.MULTILINE)) == lists.keys()
