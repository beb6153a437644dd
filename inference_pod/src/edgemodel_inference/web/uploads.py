"""Pictures in the bodies of requests: one as it is, or the files of a form."""

import asyncio

import numpy as np
from starlette.requests import Request

from edgemodel.bundle import Card
from edgemodel_inference import heap
from edgemodel_inference.errors import BadRequest, WrongMediaType
from edgemodel_inference.v2.values import Array
from edgemodel_inference.web.openapi import FORM, MAX_FILES, PICTURES

MAX_PIXELS_BYTES = 64 * 1024 * 1024
"""Bytes of all pictures of a request together, as the model eats them: one without a size of its own takes any."""

File = tuple[str, str, bytes]
"""Where it stands, its media type, its bytes."""


class Uploads:
    """Reads them; one request's pictures at a time, for decoding one may take 100 MB."""

    def __init__(self) -> None:
        self._decoding = asyncio.Semaphore(1)

    async def read(self, request: Request, card: Card) -> Array | None:
        """The pictures of `request` as a batch for the model's only input; None where it brings none.

        Raises:
            WrongMediaType: a file is neither PNG nor JPEG.
            BadRequest: one cannot be read, or they do not make a batch.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM:
            files = await _read_form(request)
        elif kind.startswith("image/"):
            files = [("body", kind, await request.body())]
        else:
            return None
        for where, each, _ in files:
            if each not in PICTURES:
                raise WrongMediaType(f"{where}: want {' or '.join(PICTURES)}, or a body of JSON, got {each:.80}")
        async with self._decoding:
            try:
                return await asyncio.to_thread(_decode, files, card)
            finally:
                await asyncio.to_thread(heap.give_back)  # 40 µs; else the largest picture's pixels are kept


async def _read_form(request: Request) -> list[File]:
    from python_multipart.exceptions import FormParserError  # noqa: PLC0415 (many never see a form)
    from starlette.formparsers import MultiPartException, MultiPartParser  # noqa: PLC0415 (as above)

    parser = MultiPartParser(request.headers, request.stream(), max_files=MAX_FILES)
    parser.spool_max_size = 1 << 30  # the body is in memory as it is; a read-only disk has no room for files
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise BadRequest(f"body: want {FORM} with 1 to {MAX_FILES} pictures: {error!s:.200}") from error
    files: list[File] = []
    for name, value in form.multi_items():
        if not isinstance(value, str):
            where = f"{name:.40}[{len(files)}] ({value.filename or '':.80})"
            files.append((where, (value.content_type or "").partition(";")[0].strip().lower(), await value.read()))
    await form.close()
    if not files:
        raise BadRequest(f"body: want {FORM} with 1 to {MAX_FILES} pictures, got none")
    return files


def _decode(files: list[File], card: Card) -> Array:
    from edgemodel_inference.web.pictures import picture_to_input  # noqa: PLC0415 (Pillow: many never see a picture)

    pictures: list[Array] = []
    for where, kind, data in files:
        pictures.append(picture_to_input(data, kind, card, where))
        if pictures[-1].shape != pictures[0].shape:
            raise BadRequest(
                f"{where}: want the size of the first picture: this model takes any, but only one at a time"
            )
        if sum(picture.nbytes for picture in pictures) > MAX_PIXELS_BYTES:
            raise BadRequest(f"{where}: want at most {MAX_PIXELS_BYTES} bytes of pixels in all pictures together")
    if len(pictures) > 1 and card.inputs[0].shape[0] == 1:
        raise BadRequest(f"body: this model takes one picture at a time, got {len(pictures)}")
    return np.concatenate(pictures)
