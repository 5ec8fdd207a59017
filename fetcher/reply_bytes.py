"""The bytes of a reply, of which a bounded part is kept: of a reply that is too long, its beginning
and its end. What makes replies too long is one long text, and the time and the place of the visit
stand on both sides of it.
"""

#: Between these bytes a text can be cut in every encoding that is read here but UTF-16: no
#: character reference and no character is taken apart.
_BETWEEN = b" ;\n"
#: So many times as much as is kept is read at all: by default 1 GiB, more than comes until the
#: platform cuts the call. A text that ends is announced without its middle, however long it is.
_MOST_TIMES = 128
#: How far away such a place is looked for.
_NEAR = 4096


class ReplyBytes:
    """Takes a reply piece by piece and keeps at most `most` bytes of it."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._most = most
        self._taken = 0
        self._content = bytearray()
        self._end = bytearray()  # of a reply that is too long

    @property
    def is_endless(self) -> bool:
        """Whether there is no use in reading on: nobody writes such a text."""
        return self._taken > _MOST_TIMES * self._most

    def take(self, piece: bytes) -> None:
        self._taken += len(piece)
        if not self._end and len(self._content) + len(piece) <= self._most:
            self._content += piece
            return
        if not self._end:
            self._end = self._content[self._half :]
            del self._content[self._half :]
        self._end += piece
        if len(self._end) > 2 * self._half:
            del self._end[: -self._half]

    def kept(self) -> bytes:
        """The whole reply, or its beginning and its end."""
        if not self._end:
            return bytes(self._content)
        end = bytes(self._end[-self._half :])
        return _without_last_word(bytes(self._content)) + _without_first_word(end)


def _without_last_word(text: bytes) -> bytes:
    place = max(text.rfind(byte, len(text) - _NEAR) for byte in _BETWEEN)
    return text[: place + 1] if place >= 0 else text


def _without_first_word(text: bytes) -> bytes:
    places = [place for byte in _BETWEEN if (place := text.find(byte, 0, _NEAR)) >= 0]
    return text[min(places) + 1 :] if places else text
