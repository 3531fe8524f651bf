#!/usr/bin/env python3
"""Makes the tables in this folder from the manifests of the data (facts about files, no images).

    python3 make.py malaria/manifest.csv melanoma/manifest.csv

malaria-paper-test.txt.gz  file names of the paper's 2,756 test cells
malaria-patients.csv.gz    source,split,images,sha256: one line per slide source (patient); the SHA-256
                           is that of the lines "<sha256 of the PNG>  <class>/<file>\\n" of its images,
                           sorted by class and file
melanoma.csv.gz            isic_id,target,split,sha256 of the images this data set uses
"""

import csv
import gzip
import hashlib
import pathlib
import sys


def write(name, text):
    path = pathlib.Path(__file__).parent / name
    with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as out:
        out.write(text.encode())


def main(malaria, melanoma):
    cells = list(csv.DictReader(open(malaria)))
    write("malaria-paper-test.txt.gz", "".join(sorted(c["file"] + "\n" for c in cells if c["paper_split"] == "testing")))
    sources = {}
    for cell in sorted(cells, key=lambda c: (c["class"], c["file"])):
        split, lines = sources.setdefault(cell["cell_source_id"], (cell["patient_split"], []))
        assert split == cell["patient_split"] and cell["file"].startswith(cell["cell_source_id"])
        lines.append(f"{cell['sha256']}  {cell['class']}/{cell['file']}\n")
    rows = ["source,split,images,sha256\n"]
    for source, (split, lines) in sorted(sources.items(), key=lambda item: int(item[0][1:])):
        rows.append(f"{source},{split},{len(lines)},{hashlib.sha256(''.join(lines).encode()).hexdigest()}\n")
    write("malaria-patients.csv.gz", "".join(rows))
    rows = ["isic_id,target,split,sha256\n"]
    for lesion in csv.DictReader(open(melanoma)):
        if lesion["staged"] == "1":
            rows.append(",".join(lesion[key] for key in ("isic_id", "target", "split", "sha256")) + "\n")
    write("melanoma.csv.gz", "".join(rows))


main(*sys.argv[1:])
