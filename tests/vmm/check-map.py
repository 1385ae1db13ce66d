#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Pictures of memory maps, as one looks at them, without eyes: NAME.svg against NAME.json.

They are XML without scripts and references; no two texts overlap, none is cut by a break or leaves
the paper or its box; the bar has no gaps and is in order; each region, piece, window and queue of the
JSON has its rectangle or is in one; and what is lower than to scale is broken.

usage: check-map.py NAME...
"""
import json
import re
import sys
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50,
         "EiB": 1 << 60}
# Height of a class of text, and the width of a character in it.
FONTS = {"title": (17, 11.5), "about": (12, 7), "address": (11, 6.65)}
OUTER = {"anon", "memfd", "file", "foreign", "mixed", "hole", "window"}
RIGHT = {"address", "number"}


class Bad(Exception):
    pass


def need(what, *why):
    if not what:
        raise Bad(" ".join(str(w) for w in why))


def text_box(text):
    height, width = FONTS.get(text.get("class"), (12, 7.25))
    x, y, wide = int(text.get("x")), int(text.get("y")), len(text.text or "") * width
    left = x - wide if text.get("class") in RIGHT else x
    return left, y - 0.78 * height, left + wide, y + 0.22 * height


def meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def cut_box(path):
    x, y = map(int, re.match(r"M(\d+) (\d+)", path.get("d")).groups())
    teeth = path.get("d").split("v")[0].count("l") // 2
    return x, y - 5, x + 16 * teeth, y + 7


def check_texts(root, cuts):
    width, height = int(root.get("width")), int(root.get("height"))
    boxes = [(text_box(text), text.text) for text in root.iter(SVG + "text")]
    for i, (box, text) in enumerate(boxes):
        need(text, "an empty text")
        need(box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height,
             "leaves the paper:", text)
        for other, words in boxes[:i]:
            need(not meet(box, other), "overlap:", text, "and", words)
        for cut in cuts:
            need(not meet(box, cut), "cut:", text)


class Row:
    def __init__(self, group):
        title = group.find(SVG + "title").text
        first, last = re.match(r"0x([0-9a-f]+)-0x([0-9a-f]+) ", title).groups()
        rect = group.find(SVG + "rect")
        self.start, self.last, self.title = int(first, 16), int(last, 16), title
        self.kind, self.texts = rect.get("class"), group.findall(SVG + "text")
        self.x, self.y, self.w, self.h = (int(rect.get(k)) for k in ("x", "y", "width", "height"))
        self.outer = self.kind in OUTER and self.x < 400

    def holds(self, start, size):
        return self.start <= start and start + size - 1 <= self.last


def check_order(rows):
    outer = [row for row in rows if row.outer]
    need(not outer or outer[0].start == 0, "does not begin at 0")
    for a, b in zip(outer, outer[1:]):
        need(b.start == a.last + 1, "a gap behind", a.title)
        need(b.y == a.y + a.h, "not adjacent:", a.title, "and", b.title)
    for row in outer:
        need(row.h >= 20, "too low:", row.title)
        need(text_box(row.texts[0])[2] <= row.x + row.w, "text leaves the bar:", row.title)
    for row in rows:
        home = [o for o in outer if o.start <= row.start <= o.last]
        need(row.outer or not home or home[0].y <= row.y <= home[0].y + home[0].h,
             "is drawn elsewhere:", row.title)
        need(row.h > 0, "has no height:", row.title)
    return outer


def check_breaks(root, rows, outer, cuts):
    scale = [p for p in root.iter(SVG + "path") if p.get("class") == "scale"][0]
    height = int(re.search(r"v(\d+)", scale.get("d")).group(1))
    number, unit = [t.text for t in root.iter(SVG + "text") if t.get("class") == "address"][-1].split()
    if height >= 44:
        return  # there is nothing that is to scale
    pixels = height / (int(number) * UNITS[unit])
    for row in outer:
        # Where something begins or ends, and where that is drawn.
        places = {row.start: row.y, row.last + 1: row.y + row.h}
        for inner in rows:
            for address, y in ((inner.start, inner.y), (inner.last + 1, inner.y + inner.h)):
                if not inner.outer and row.start < address <= row.last:
                    places[address] = y
        places = sorted(places.items())
        for (start, y), (end, below) in zip(places, places[1:]):
            broken = any(y < cut[3] and cut[1] < below for cut in cuts)
            due = (end - start) * pixels
            need(broken or due <= (below - y) * 1.1 + 4, "lower than to scale and not broken:", row.title)
            need(not broken or due >= 40, "broken for nothing:", row.title)


def has_row(rows, start, size, what, kinds):
    held = [row for row in rows if row.kind in kinds and row.holds(start, size)]
    need(held, "has no rectangle:", what)
    return held[0]


def check_content(rows, told):
    for region in told["regions"]:
        row = has_row(rows, region["start"], region["size"], region,
                      {region["backing"], "mixed"})
        need(row.kind == "mixed" or (" ro" in row.title) == region["read_only"], "ro:", row.title)
    for piece in told["pieces"]:
        if piece["size"]:
            has_row(rows, piece["start"], piece["size"], piece,
                    {"kernel": {"kernel"}, "file": {"given"}, "table": {"table"}}[piece["kind"]])
    for window in told["windows"]:
        has_row(rows, window["start"], window["size"], window, {"window"})
    for queue in told["queues"]:
        for area in ("descriptors", "driver", "device"):
            has_row(rows, queue[area]["start"], queue[area]["size"], queue, {"queue"})


def check(name):
    text = open(name + ".svg", encoding="utf-8").read()
    root = ET.fromstring(text)
    need(root.tag == SVG + "svg", "no picture")
    for word in ("<script", "href", "@import", "http:"):
        need(word not in text.replace("http://www.w3.org/2000/svg", ""), "has", word)
    for rect in root.iter(SVG + "rect"):
        need(int(rect.get("height")) > 0 and int(rect.get("width")) > 0, "an empty rectangle")
    cuts = [cut_box(p) for p in root.iter(SVG + "path") if p.get("class") == "cut"]
    check_texts(root, cuts)
    rows = [Row(group) for group in root.iter(SVG + "g")]
    check_breaks(root, rows, check_order(rows), cuts)
    check_content(rows, json.load(open(name + ".json", encoding="utf-8")))
    need(len(rows) <= 200, "too many rows to read:", len(rows))


def main():
    status = 0
    for name in sys.argv[1:]:
        try:
            check(name)
        except (Bad, ET.ParseError, ValueError, AttributeError) as error:
            print("%s.svg: %s" % (name, error))
            status = 1
    sys.exit(status)


main()
