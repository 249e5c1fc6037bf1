"""Loaders of faces and sentences, on miniature folders of the same layout."""

import os
import re

import numpy as np
import pytest

from sk_hca.datasets import (
    load_agedb_dir,
    load_imdb_wiki_dir,
    load_sts_b_dir,
)

AGEDB = [
    (31, "AgeDB/0_MariaCallas_31_f.jpg", "train"),
    (8, "AgeDB/1_DannyGlover_8_m.jpg", "test"),
    (59, "AgeDB/2_WillSmith _59_m.jpg", "val"),
    (44, "AgeDB/3_MarlonBrando_44_m.jpg", "train"),
]
IMDB_WIKI = [
    (70, "imdb_crop/01/nm0000001_rm1_1899-5-10_1968.jpg", "train"),
    (24, "wiki_crop/00/1100_1986-01-01_2010.jpg", "val"),
    (35, "wiki_crop/01/1101_1975-01-01_2010.jpg", "test"),
]
FACES = {
    load_agedb_dir: ("agedb.csv", AGEDB),
    load_imdb_wiki_dir: ("imdb_wiki.csv", IMDB_WIKI),
}
STS_B_HEADER = (
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\t"
    "sentence1\tsentence2\tscore\n"
)
STS_B_FILES = {"train": "train_new.tsv", "val": "dev_new.tsv", "test": "test_new.tsv"}


def write_faces(root, listing, rows, header="age,path,split"):
    """Write the list and an empty file for every image: loaders open none."""
    lines = [header, *(f"{age},{path},{split}" for age, path, split in rows)]
    (root / listing).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for _, path, _ in rows:
        touch(root / path)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def write_pairs(root, lines, files=None, header=STS_B_HEADER):
    for name in files or STS_B_FILES.values():
        text = header + "".join(f"{line}\n" for line in lines)
        (root / name).write_text(text, encoding="utf-8")


def pair(first, second, score):
    return f"0\tmain-news\tMSRpar\t2012\t0001\tnone\tnone\t{first}\t{second}\t{score}"


def assert_absolute_and_there(paths):
    assert paths.ndim == 1
    assert paths.dtype.kind == "U"
    assert all(os.path.isabs(path) and os.path.isfile(path) for path in paths)


@pytest.fixture
def faces_folder(request, tmp_path):
    listing, rows = FACES[request.param]
    write_faces(tmp_path, listing, rows)
    return request.param, tmp_path, listing, rows


every_faces_loader = pytest.mark.parametrize("faces_folder", FACES, indirect=True)


@every_faces_loader
def test_faces_follow_the_splits_of_the_list(faces_folder):
    load, root, _, rows = faces_folder
    faces = load(root)
    for split in ("train", "val", "test"):
        listed = [(age, path) for age, path, row_split in rows if row_split == split]
        np.testing.assert_array_equal(faces[split].target, [age for age, _ in listed])
        expected = [str(root / path) for _, path in listed]
        np.testing.assert_array_equal(faces[split].data, expected)
        assert faces[split].target.dtype == np.float64
        assert_absolute_and_there(faces[split].data)


@every_faces_loader
def test_faces_paths_are_absolute_for_a_relative_root(faces_folder, monkeypatch):
    load, root, _, _ = faces_folder
    monkeypatch.chdir(root.parent)
    assert_absolute_and_there(load(root.name).train.data)


@every_faces_loader
def test_faces_columns_are_found_by_name(faces_folder):
    load, root, listing, rows = faces_folder
    lines = ["split,gender,path,age"]
    lines += [f"{split},f,{path},{age}.5" for age, path, split in rows]
    (root / listing).write_text("\n".join(lines))
    np.testing.assert_array_equal(load(root).val.target % 1, 0.5)


@every_faces_loader
def test_faces_missing_list_is_named(faces_folder):
    load, root, listing, _ = faces_folder
    (root / listing).unlink()
    message = rf"{listing} is missing: it belongs in {re.escape(str(root))}.*YyzHarry"
    with pytest.raises(FileNotFoundError, match=message):
        load(root)


@every_faces_loader
def test_faces_missing_image_is_named_and_counted(faces_folder):
    load, root, _, rows = faces_folder
    for _, path, _ in rows[1:3]:
        (root / path).unlink()
    message = f"2 of {len(rows)} files are missing.*{re.escape(str(root / rows[1][1]))}"
    with pytest.raises(FileNotFoundError, match=message):
        load(root)
    assert load(root, check_files=False).train.target.size


@every_faces_loader
def test_faces_missing_image_folder_counts_all_its_images(faces_folder):
    load, root, listing, rows = faces_folder
    text = (root / listing).read_text().replace("_crop/", "/").replace("AgeDB/", "a/")
    (root / listing).write_text(text)
    with pytest.raises(FileNotFoundError, match=f"{len(rows)} of {len(rows)} files"):
        load(root)


@every_faces_loader
def test_faces_wrong_columns_are_named(faces_folder):
    load, root, listing, rows = faces_folder
    write_faces(root, listing, rows, header="age,file,split")
    message = "must have the columns age, path, split; found age, file, split"
    with pytest.raises(ValueError, match=message):
        load(root)


@every_faces_loader
def test_faces_empty_list_has_no_columns(faces_folder):
    load, root, listing, _ = faces_folder
    (root / listing).write_text("")
    with pytest.raises(ValueError, match="found none"):
        load(root)


@every_faces_loader
@pytest.mark.parametrize("age", ["old", "", "nan", "inf", "-Infinity"])
def test_faces_age_that_is_no_finite_number_is_named(faces_folder, age):
    load, root, listing, rows = faces_folder
    write_faces(root, listing, [rows[0], (age, *rows[1][1:]), *rows[2:]])
    with pytest.raises(ValueError, match=f"'{age}' in row 2, for {rows[1][1]}"):
        load(root)


@every_faces_loader
@pytest.mark.parametrize("row", ["train,31", "train,31,"], ids=["short", "empty"])
@pytest.mark.parametrize("check_files", [True, False])
def test_faces_row_without_a_path_is_named(faces_folder, row, check_files):
    load, root, listing, rows = faces_folder
    lines = [f"{split},{age},{path}" for age, path, split in rows]
    (root / listing).write_text("\n".join(["split,age,path", *lines, row]))
    message = f"{listing} must name an image in every .* in row {len(rows) + 1}"
    with pytest.raises(ValueError, match=message):
        load(root, check_files=check_files)


@every_faces_loader
def test_faces_folder_in_place_of_an_image_is_missing(faces_folder):
    load, root, _, rows = faces_folder
    path = root / rows[0][1]
    path.unlink()
    path.mkdir()
    with pytest.raises(FileNotFoundError, match=f"1 of {len(rows)} files are missing"):
        load(root)


@every_faces_loader
def test_faces_other_splits_are_named(faces_folder):
    load, root, listing, rows = faces_folder
    write_faces(root, listing, [(age, path, "training") for age, path, _ in rows])
    with pytest.raises(ValueError, match=r"train, val and test.*\['training'\]"):
        load(root)


@pytest.mark.parametrize(
    ("load", "name", "text"),
    [
        (load_agedb_dir, "agedb.csv", "age,path,split\n30,é.jpg,train\n"),
        (load_sts_b_dir, "train_new.tsv", STS_B_HEADER + pair("é", "b", 1)),
    ],
)
def test_list_in_another_encoding_is_named(tmp_path, load, name, text):
    write_faces(tmp_path, "agedb.csv", AGEDB)
    write_pairs(tmp_path, [pair("a", "b", 1)])
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"{name} must be text in UTF-8, but cannot"):
        load(tmp_path)


def test_agedb_finds_names_beyond_ascii_by_their_number(tmp_path):
    rows = [*AGEDB, (44, "AgeDB/15872_StВphaneAudran_44_f.jpg", "train")]
    write_faces(tmp_path, "agedb.csv", rows)
    unpacked = tmp_path / "AgeDB" / "15872_StéphaneAudran_44_f.jpg"
    os.rename(tmp_path / rows[-1][1], unpacked)
    assert load_agedb_dir(tmp_path).train.data[-1] == str(unpacked)


def test_agedb_missing_name_beyond_ascii_is_named_as_listed(tmp_path):
    rows = [*AGEDB, (44, "AgeDB/15872_StВphaneAudran_44_f.jpg", "train")]
    write_faces(tmp_path, "agedb.csv", rows)
    (tmp_path / rows[-1][1]).unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 5 .*15872_StВphaneAudran"):
        load_agedb_dir(tmp_path)


def test_sts_b_reads_every_line_of_every_split(tmp_path):
    for n_lines, name in enumerate(STS_B_FILES.values(), start=3):
        write_pairs(tmp_path, [pair("a", "b", i / 2) for i in range(n_lines)], [name])
    sts_b = load_sts_b_dir(tmp_path)
    for n_lines, split in enumerate(STS_B_FILES, start=3):
        assert sts_b[split].data.shape == (n_lines, 2)
        assert sts_b[split].target.dtype == np.float64
        np.testing.assert_array_equal(sts_b[split].target, np.arange(n_lines) / 2)


@pytest.mark.parametrize(
    "sentence",
    [
        '"Would you like to pay?"',
        'The battle around VeriSign"s service rages on.',
        '"an opening mark alone',
        "'single', marks and, commas",
        "aren’t ASCII é\u2028\x85",
    ],
)
def test_sts_b_keeps_sentences_as_they_are(tmp_path, sentence):
    write_pairs(tmp_path, [pair(sentence, "b", 1), pair("c", sentence, 2)])
    train = load_sts_b_dir(tmp_path).train
    assert train.data.tolist() == [[sentence, "b"], ["c", sentence]]


@pytest.mark.parametrize(
    "line",
    [
        pair("a", "b", ""),
        pair("a", "b", "none"),
        pair("a", "b", "nan"),
        pair("a", "b", "-inf"),
        pair("", "b", 1),
        pair("a", " ", 1),
        "0\tmain-news\tMSRpar\t2012\t0001\ta\tb\t1.0",
        "",
    ],
    ids=[
        "no score",
        "no number",
        "NaN",
        "infinite",
        "no first",
        "no second",
        "few fields",
        "empty",
    ],
)
def test_sts_b_skips_malformed_lines_and_says_so(tmp_path, line):
    write_pairs(tmp_path, [pair("a", "b", 1), line, pair("c", "d", 2)], ["dev_new.tsv"])
    write_pairs(tmp_path, [pair("a", "b", 1)], ["train_new.tsv", "test_new.tsv"])
    with pytest.warns(UserWarning, match=r"dev_new.tsv: skipped 1 of 3.*line 3"):
        sts_b = load_sts_b_dir(tmp_path)
    np.testing.assert_array_equal(sts_b.val.target, [1, 2])


@pytest.mark.parametrize("name", STS_B_FILES.values())
def test_sts_b_missing_file_is_named(tmp_path, name):
    write_pairs(tmp_path, [pair("a", "b", 1)])
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing.*YyzHarry"):
        load_sts_b_dir(tmp_path)


def test_sts_b_wrong_columns_are_named(tmp_path):
    write_pairs(tmp_path, ["a\tb\t1"], header="first\tsecond\tscore\n")
    message = "sentence1, sentence2, score; found first, second, score"
    with pytest.raises(ValueError, match=message):
        load_sts_b_dir(tmp_path)


@pytest.mark.parametrize("header", [STS_B_HEADER, ""], ids=["header", "nothing"])
def test_sts_b_file_without_pairs_is_named(tmp_path, header):
    write_pairs(tmp_path, [], header=header)
    with pytest.raises(ValueError, match=r"train_new.tsv must h.*found none"):
        load_sts_b_dir(tmp_path)


@pytest.mark.parametrize(
    ("load", "facts"),
    [
        (load_agedb_dir, ["12208", "AgeDB", "on request", "MIT licence"]),
        (load_imdb_wiki_dir, ["191509", "IMDB-WIKI-DIR", "research only"]),
        (load_sts_b_dir, ["5249", "STS-B-DIR", "terms of their own"]),
    ],
)
def test_descriptions_name_sizes_and_terms(tmp_path, load, facts):
    for listing, rows in FACES.values():
        write_faces(tmp_path, listing, rows)
    write_pairs(tmp_path, [pair("a", "b", 1)])
    description = " ".join(load(tmp_path).DESCR.split())
    assert [fact for fact in facts if fact not in description] == []
