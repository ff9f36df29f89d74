"""Folders and archives are one list of files, and bad archives are refused."""

import io
import itertools
import logging
import stat
import tarfile
import zipfile

import pytest

from irsde_jax.data.sources import archive_formats, archives

FILES = {"GT/a.png": b"first" * 400, "GT/b.png": b"", "x/LQ/a.png": bytes(range(256))}
KINDS = ("folder", "zip", "tar", "tar.gz")


def pack(path, files, kind="folder"):
    """Writes files as a folder or as an archive, and returns its path."""
    if kind == "folder":
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path
    path = path.with_name(f"{path.name}.{kind}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in files.items():
                file.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def content(path):
    with archives.Tree(path) as tree:
        return {name: tree.read(name) for name in tree.names}


@pytest.mark.parametrize("kind", KINDS)
def test_folders_and_archives_read_alike(tmp_path, kind):
    path = pack(tmp_path / "data", FILES, kind)
    assert content(path) == FILES
    with archives.Tree(path) as tree:
        assert tree.names == sorted(FILES)
        assert tree.read("x/LQ/a.png") == FILES["x/LQ/a.png"]
        assert tree.read("GT/a.png") == FILES["GT/a.png"]  # and back again
        assert "data" in tree.locate("GT/a.png")
        assert tree.locate("GT/a.png").endswith("GT/a.png")


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_in_a_folder_counts_as_a_folder(tmp_path, kind):
    pack(tmp_path / "sub" / "set", FILES, kind)
    pack(tmp_path, {"plain.png": b"p"})
    found = content(tmp_path)
    assert found.pop("plain.png") == b"p"
    assert found == {f"sub/set/{name}": data for name, data in FILES.items()}


def test_a_tar_may_be_called_gz(tmp_path):
    path = pack(tmp_path / "rain", FILES, "tar.gz")
    path.rename(tmp_path / "rain.gz")
    assert set(content(tmp_path)) == {f"rain/{name}" for name in FILES}


def test_what_is_unpacked_comes_before_its_archive(tmp_path, caplog):
    pack(tmp_path / "set", FILES, "zip")
    pack(tmp_path / "set", {"GT/a.png": b"unpacked"})
    with caplog.at_level(logging.INFO, "irsde_jax"):
        assert content(tmp_path) == {"set/GT/a.png": b"unpacked"}
    assert "set.zip is not read" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_litter_is_left_out(tmp_path, kind):
    litter = (".DS_Store", "__MACOSX/GT/._a.png", "GT/Thumbs.db", ".git/a.png")
    path = pack(tmp_path / "data", FILES | dict.fromkeys(litter, b"?"), kind)
    assert set(content(path)) == set(FILES)


def test_links_in_a_folder_are_followed_once(tmp_path):
    pack(tmp_path / "elsewhere", FILES)
    root = tmp_path / "root"
    root.mkdir()
    (root / "set").symlink_to(tmp_path / "elsewhere")
    (root / "set" / "loop").symlink_to(root)
    assert content(root) == {f"set/{name}": data for name, data in FILES.items()}


def test_backslashes_separate_folders(tmp_path):
    path = pack(tmp_path / "windows", {"GT\\a.png": b"a"}, "zip")
    assert content(path) == {"GT/a.png": b"a"}


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_tar_of_many_folders_is_read_in_any_order(tmp_path, kind):
    files = {f"{index:02}/x": b"%d" % index * 1000 for index in range(20)}
    with archives.Tree(pack(tmp_path / "many", files, kind)) as tree:
        for name in (*tree.names[::3], *reversed(tree.names)):
            assert tree.read(name) == files[name]


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path, kind, share):
    files = {f"{index}.png": bytes(range(256)) * 20 for index in range(5)}
    path = pack(tmp_path / "data", files, kind)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=rf"data\.{kind} is damaged.*Fetch it again"):
        content(tmp_path)


@pytest.mark.parametrize("end", [2 * 1536, 2 * 1536 + 100])
def test_a_tar_cut_between_its_members_is_no_shorter_one(tmp_path, end):
    path = pack(tmp_path / "data", {f"{i}.png": bytes(700) for i in range(4)}, "tar")
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(ValueError, match=r"data\.tar is damaged.*Fetch it again"):
        content(tmp_path)


def test_a_tar_with_a_damaged_header_is_no_shorter_one(tmp_path):
    path = pack(tmp_path / "data", {f"{i}.png": bytes(700) for i in range(4)}, "tar")
    data = bytearray(path.read_bytes())
    data[2 * 1536] ^= 1  # the name in the third header: its checksum no longer fits
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"data\.tar is damaged.*Fetch it again"):
        content(tmp_path)


def test_a_damaged_member_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("GT/a.png", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123406789"))
    with pytest.raises(ValueError, match=r"data\.zip: GT/a\.png cannot be read.*CRC"):
        content(path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *itertools.product(
            KINDS[1:], ["../x.png", "GT/../../x.png", "/etc/x.png", "C:/x.png"]
        ),
        ("zip", "..\\x.png"),
    ],
)
def test_a_member_outside_of_the_archive_is_refused(tmp_path, kind, name):
    path = pack(tmp_path / "deep" / "data", {"GT/a.png": b"a", name: b"evil"}, kind)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"its member '.*x\.png' points outside"):
        content(path.parent)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_a_link_or_device_in_a_tar_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "data.tar", "w") as file:
        info = tarfile.TarInfo("GT/a.png")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    with pytest.raises(ValueError, match=r"data\.tar: its member 'GT/a\.png' is a"):
        content(tmp_path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        info = zipfile.ZipInfo("GT/a.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    with pytest.raises(ValueError, match=r"its member 'GT/a\.png' is a link"):
        content(tmp_path)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_member_that_would_fill_the_memory_is_refused(tmp_path, kind, monkeypatch):
    path = pack(tmp_path / "data", FILES, kind)
    monkeypatch.setattr(archive_formats, "_MAX_MEMBER_BYTES", 1000)
    with archives.Tree(path) as tree:
        assert tree.read("x/LQ/a.png") == FILES["x/LQ/a.png"]
        with pytest.raises(ValueError, match=r"GT/a\.png cannot be read.*2000 bytes"):
            tree.read("GT/a.png")


def test_what_is_no_archive_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*nowhere"):
        archives.Tree(tmp_path / "nowhere")
    pack(tmp_path, {"indoor.rar": b"Rar!"})
    with pytest.raises(ValueError, match=r"indoor\.rar is no archive.*Unpack it"):
        archives.Tree(tmp_path / "indoor.rar")


def test_the_fingerprint_is_of_names_and_sizes(tmp_path):
    first = archives.fingerprint(pack(tmp_path / "a", FILES))
    assert archives.fingerprint(pack(tmp_path / "b", FILES)) == first
    pack(tmp_path / "b", {".hidden": b"?"})
    assert archives.fingerprint(tmp_path / "b") == first
    pack(tmp_path / "b", {"GT/a.png": b"short"})
    assert archives.fingerprint(tmp_path / "b") != first
    pack(tmp_path / "a", {"GT/more.png": b""})
    assert archives.fingerprint(tmp_path / "a") != first
    path = pack(tmp_path / "c", FILES, "zip")
    first = archives.fingerprint(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert archives.fingerprint(path) != first
