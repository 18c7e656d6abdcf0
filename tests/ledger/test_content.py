"""Content that is kept: every mail comes back octet for octet, and whatever is not exactly it is refused."""

from __future__ import annotations

import pickle
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import blobs, content, fingerprint, mime
from ledger.blobs import Blob
from ledger.content import Content
from ledger.errors import Damaged, Erased, FormatError, Unavailable, UnknownReference
from tests.ledger.vaults import LARGE, LOG, MAILS, MESSAGE, MIXED, PARTS, Heap, kept

MIX = MIXED + PARTS + b"\r\none\r\n--x\r\nContent-Type: image/png; name=b.png\r\n\r\ntwo\r\n--x--\r\n"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8059"


def check(octets: bytes) -> Content:
    """Whole and in parts, it is what it was."""
    store = Heap()
    held, taken = kept(octets, store), fingerprint.take(octets)
    whole = mime.normalise(octets)
    assert b"".join(held.whole()) == whole and held.size == len(whole)
    for leaf in taken.files:
        found = held.file(str(leaf.file))
        data = b"".join(found.pieces())
        assert (sha256(data).hexdigest(), len(data), found.size) == (leaf.sha256, leaf.size, leaf.size)
        assert (found.name, found.media_type) == (leaf.name, leaf.media_type)
    if taken.header_size is None or any(one.path == "0" and one.code == "header-cut" for one in taken.defects):
        assert list(held.parts) == ["whole"]
        with pytest.raises(UnknownReference):
            held.body()
    else:
        assert list(held.parts) == ["header", "body"]
        size, pieces = held.body()
        body = b"".join(pieces)
        assert len(body) == size and body.endswith(whole[taken.header_size :])
        if taken.parsed and held.parts["body"].small > 2:
            # By itself it is a message of the same parts, and names nobody.
            again = fingerprint.take(body)
            assert [(x.path, x.sha256, x.file) for x in again.leaves] == [
                (x.path, x.sha256, x.file) for x in taken.leaves
            ]
            assert again.headers == ()
    return held


@pytest.mark.parametrize("name", MAILS)
def test_odd_mail_comes_back(name: str) -> None:
    check(MAILS[name])


def test_the_mails_are_as_odd_as_they_should_be() -> None:
    taken = {name: fingerprint.take(octets) for name, octets in MAILS.items()}
    assert sum(one.header_size is None for one in taken.values()) == 4
    assert taken["parts too deep"].reason and taken["parts too deep"].header_size
    assert sum(bool(one.files) for one in taken.values()) >= 10
    assert sum(one.normalised for one in taken.values()) >= 3
    held = kept(MAILS["just a chunk of header"], Heap())
    assert held.parts["header"].size == 16384
    assert b"".join(kept(MAILS["a large file"], Heap()).file("f1").pieces()) == LARGE


FIELD = st.sampled_from(
    [
        b"From: a@b.example\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"CONTENT-TYPE : text/plain;\r\n charset=x\r\n",
        b"Content-Type:application/pdf\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Disposition: attachment; filename=x\r\n",
        b"Content-ID: <1>\r",
        b"no field\r\n",
        b"\r\n",
        b"\n",
        b"--x\r\n",
        b"--x--\r\n",
        b"From x\r\n",
        b"QUJD\r\n",
        b"\xff\x00",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELD, min_size=1, max_size=30).map(b"".join) | st.binary(min_size=1, max_size=300))
def test_whatever_it_is_it_comes_back(octets: bytes) -> None:
    check(octets)


def test_the_header_is_in_one_blob_and_nobodys_name_in_the_other() -> None:
    store = Heap()
    held = kept(MIX, store)
    header, body = held.parts["header"], held.parts["body"]
    assert (header.subject, body.subject) == (MESSAGE + ":header", MESSAGE)
    assert header.key != body.key and header.name != body.name
    octets = b"".join(held.body()[1])
    assert b"bob@one.example" not in octets and b"the plan" not in octets
    assert octets.startswith(b"mime-version: 1.0\r\ncontent-type: multipart/mixed;\r\n\tboundary=x\r\n\r\n--x")
    whole = kept(b"\r\nx", Heap()).parts["whole"]
    assert (whole.subject, whole.small) == (MESSAGE + ":header", 0)


def test_without_its_header_the_rest_can_still_be_read() -> None:
    held = kept(MIX, Heap())
    left = replace(held, parts={"body": held.parts["body"]}, erased="2026-11-23T14:00:00.000000Z")
    with pytest.raises(Erased, match=r"the header block .* erased; that was recorded 2026-11-23"):
        left.whole()
    assert b"".join(left.file("f2").pieces()) == b"two"
    assert left.body()[0] == held.parts["body"].size
    nothing = replace(left, parts={}, sealed={})
    for look in (nothing.whole, nothing.body, lambda: nothing.file("f1"), lambda: nothing.size):
        with pytest.raises(Erased, match="the content of this message was erased"):
            look()


def test_what_is_missing_and_was_not_erased_is_damage() -> None:
    held = kept(MIX, Heap())
    for lost in (
        replace(held, parts={"body": held.parts["body"]}),
        replace(held, parts={"header": held.parts["header"]}),
        replace(held, sealed={}),
        replace(held, store=Heap()),
    ):
        with pytest.raises(Damaged):
            lost.whole()
    with pytest.raises(UnknownReference, match="has 2 files, no f3"):
        held.file("f3")


def test_octets_that_are_not_those_recorded_are_not_shown() -> None:
    held = kept(MIX, Heap())
    # All of it opens; but another message was recorded.
    for said in ({"sha256": "0" * 64, "size": len(MIX)}, held.sealed["raw"] | {"size": len(MIX) + 1}):
        with pytest.raises(Damaged, match="not what was recorded"):
            replace(held, sealed=held.sealed | {"raw": said}).whole()
    with pytest.raises(Damaged, match="not what was recorded"):
        replace(held, sealed=held.sealed | {"f1": held.sealed["f2"] | {"path": "2"}}).file("f1")
    with pytest.raises(Damaged, match="has no f1"):
        replace(held, sealed=held.sealed | {"f1": held.sealed["f1"] | {"path": "9"}}).file("f1")
    short = msgspec.structs.replace(held.parts["body"], small=held.parts["body"].small - 1)
    with pytest.raises(Damaged, match="not what was recorded"):
        replace(held, parts=held.parts | {"body": short}).whole()


BORDERS = (0, 23, 24, 55, 56, 56 + 16383, 56 + 16384, 56 + 16399, 56 + 16400, 56 + 2 * 16400 - 1, 56 + 2 * 16400)


@pytest.mark.parametrize("place", BORDERS)
def test_a_flipped_bit_is_refused(place: int) -> None:
    store = Heap()
    held = kept(MAILS["a large file as it is"], store)
    name = held.parts["body"].name
    data = bytearray(store.held[name])
    data[place] ^= 1
    store.held[name] = bytes(data)
    for look in (held.whole, held.body, lambda: held.file("f1")):
        with pytest.raises(Damaged, match="does not open"):
            look()
    # What came before the damaged chunk is authentic, and nothing of it or after it is given.
    given = []
    with pytest.raises(Damaged):
        given += blobs.decrypt(held.parts["body"], LOG, MESSAGE, store.get(name))
    assert sum(map(len, given)) <= max(0, (place - 56) // 16400) * 16384


@pytest.mark.parametrize("size", [*BORDERS, -1, -16, -17])
def test_a_blob_cut_short_is_refused(size: int) -> None:
    store = Heap()
    held = kept(MAILS["a large file as it is"], store)
    name = held.parts["body"].name
    store.held[name] = store.held[name][:size]
    with pytest.raises(Damaged, match="does not open"):
        held.body()


def test_a_blob_with_more_behind_it_is_refused() -> None:
    for more in (b"x", bytes(16), bytes(16400)):
        store = Heap()
        held = kept(MIX, store)
        store.held[held.parts["header"].name] += more
        with pytest.raises(Damaged, match="does not open"):
            held.whole()


def test_chunks_and_blobs_that_changed_places_are_refused() -> None:
    store = Heap()
    held = kept(MAILS["a large file as it is"], store)
    header, body = held.parts["header"].name, held.parts["body"].name
    data = store.held[body]
    first, second = data[56 : 56 + 16400], data[56 + 16400 : 56 + 32800]
    store.held[body] = data[:56] + second + first + data[56 + 32800 :]
    with pytest.raises(Damaged):
        held.body()
    store.held[body], store.held[header] = store.held[header], data
    with pytest.raises(Damaged):
        held.whole()


@pytest.mark.parametrize("wrong", ["log", "message", "part", "name", "key"])
def test_a_blob_of_another_place_is_refused(wrong: str) -> None:
    store = Heap()
    blob = kept(MIX, store).parts["body"]
    data = store.held[blob.name]
    log = OTHER if wrong == "log" else LOG
    message = OTHER if wrong == "message" else MESSAGE
    more = {"part": "header", "name": "ab" * 16, "key": bytes(32)}
    other = msgspec.structs.replace(blob, **{wrong: more[wrong]} if wrong in more else {})
    with pytest.raises(Damaged):
        list(blobs.decrypt(other, log, message, [data]))
    assert list(blobs.decrypt(blob, LOG, MESSAGE, [data]))


def test_a_blob_that_holds_more_than_it_says_is_refused() -> None:
    store = Heap()
    blob = kept(MIX, store).parts["body"]
    with pytest.raises(Damaged, match="holds"):
        list(blobs.decrypt(msgspec.structs.replace(blob, size=blob.size + 1), LOG, MESSAGE, store.get(blob.name)))


CIPHER = AESGCM(bytes([1]) * 32)
PLACE = {"part": "body", "name": "ab" * 16, "subject": MESSAGE, "size": 7, "small": 2}


def test_a_wrapped_key_goes_there_and_back() -> None:
    blob = Blob(**PLACE, key=bytes(range(32)))  # type: ignore[arg-type]
    wrapped = blobs.wrap(CIPHER, blob, LOG, MESSAGE, bytes(12))
    assert len(wrapped) == 60 and blobs.unwrap(CIPHER, wrapped, LOG, MESSAGE, **PLACE) == blob  # type: ignore[arg-type]
    with pytest.raises(FormatError):
        blobs.wrap(CIPHER, blob, LOG, MESSAGE, bytes(11))


@pytest.mark.parametrize(
    "wrong", ["log", "message", "part", "name", "size", "small", "cipher", "short", "long", "flip"]
)
def test_a_wrapped_key_of_another_place_is_refused(wrong: str) -> None:
    blob = Blob(**PLACE, key=bytes(range(32)))  # type: ignore[arg-type]
    wrapped = blobs.wrap(CIPHER, blob, LOG, MESSAGE, bytes(12))
    more = {"part": "header", "name": "cd" * 16, "size": 8, "small": 3}
    place = PLACE | ({wrong: more[wrong]} if wrong in more else {})
    cut = {"short": wrapped[:-1], "long": wrapped + b"x", "flip": wrapped[:-1] + bytes([wrapped[-1] ^ 1])}
    with pytest.raises(Damaged, match="does not open"):
        blobs.unwrap(
            AESGCM(bytes(32)) if wrong == "cipher" else CIPHER,
            cut.get(wrong, wrapped),
            OTHER if wrong == "log" else LOG,
            OTHER if wrong == "message" else MESSAGE,
            **place,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("fails", [1, 2])
def test_what_cannot_be_kept_whole_is_not_kept_at_all(fails: int) -> None:
    store = Heap(fails)
    with pytest.raises(Unavailable):
        kept(MIX, store)
    assert store.held == {} and store.puts == fails


def test_keys_and_names_are_random_and_the_same_mail_is_never_the_same_blob() -> None:
    store = Heap()
    both = [kept(MIX, store) for _ in range(2)]
    made = [blob for one in both for blob in one.parts.values()]
    assert len({blob.key for blob in made}) == len({blob.name for blob in made}) == len(set(store.held.values())) == 4
    assert not any(b"attached" in data for data in store.held.values())


def test_a_key_is_shown_to_nobody() -> None:
    blob = kept(MIX, Heap()).parts["body"]
    assert repr(blob.key)[2:10] not in repr(blob) and blob.key.hex() not in repr(blob)
    assert "key" not in repr(blob)
    with pytest.raises(TypeError):
        pickle.dumps(blob)


def test_memory_stays_small() -> None:
    """Beside the message itself: blobs are made and read in pieces."""
    import tracemalloc

    octets = MIXED + PARTS + b"\r\n" + b"x" * (24 << 20) + b"\r\n--x--\r\n"

    class Sink(Heap):
        def put(self, name: str, pieces: object) -> None:
            self.size = sum(len(piece) for piece in pieces)  # type: ignore[attr-defined]

    header = fingerprint.take(octets).header_size
    tracemalloc.start()
    content.keep(Sink(), LOG, MESSAGE, octets, header, lambda size: bytes(size))
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_reading_it_takes_no_more_memory_than_a_piece() -> None:
    import tracemalloc

    held = kept(MIXED + PARTS + b"\r\n" + b"x" * (24 << 20) + b"\r\n--x--\r\n", Heap())
    tracemalloc.start()
    assert sum(len(piece) for piece in held.whole()) == held.size
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
