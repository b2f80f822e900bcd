"""The tables of Thistleby: the invented town's results, weather, horses, members, made by rule from one seed.

    python -m racecourse.agents.data.make_documents FOLDER

writes the same bytes each time; the letters, minutes and other prose beside them are written by hand. The rules that
tie the tables together: a horse runs from three years of age to twelve; the going follows from the rain of the three
days before; times follow from distance, going, weight and the horse; stewards enquire only into races that were run.
Left out: betting, and anything about real places or people.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from random import Random

SEED = 1951
YEARS = range(1951, 1957)
RACES = {  # furlongs
    "Miller's Plate": 6, "Lode Handicap": 8, "Pennyfold Stakes": 5, "Founders' Cup": 12, "Ferryman's Hurdle": 16,
    "Tansy Stakes": 7, "Orrin Memorial": 10, "Cawl Chase": 20, "Harvest Handicap": 9, "Maiden Plate": 6,
    "Chalk Pit Stakes": 8, "Ladies' Bracelet": 11, "Lark End Sprint": 5, "Bellfounders' Chase": 24,
    "Novices' Hurdle": 14,
}  # fmt: skip
YARDS = {
    "Ada Merrow": "Cold Barn", "Giles Hartnoll": "Quarry Yard", "Ruth Tansley": "Mill Yard",
    "Ivo Brackett": "Lode Stables", "Sarah Penwarden": "Chalk Pit", "Conrad Eames": "Lark End",
    "Nell Fothering": "Ferry House", "Walter Gosse": "Top Barn",
}  # fmt: skip
JOCKEYS = [
    "Tobias Orrin", "Lucy Fenn", "Abel Crouch", "Dinah Starling", "Harry Mossop", "Peg Roundtree", "Felix Hale",
    "Joan Tidmarsh", "Ned Castle", "Wilf Parris", "Bess Quill", "Oscar Lamb", "Tom Yarrow", "Effie Strand",
    "Jem Holloway", "Rosa Dell", "Guy Marchbank", "Sid Pocock",
]  # fmt: skip
FIRST = [
    "Bramble", "Copper", "Silent", "Harvest", "Winter", "Velvet", "Marsh", "Golden", "Hollow", "Tinker's",
    "Midnight", "Thistle", "River", "Paper", "Lucky", "Old",
]  # fmt: skip
SECOND = [
    "Fair", "Lantern", "Miller", "Song", "Penny", "Arrow", "Gate", "Sparrow", "Kettle", "Ribbon", "Harbour",
    "Fiddler", "Rook", "Candle", "Weaver", "Heath",
]  # fmt: skip
GIVEN = [
    "Amos", "Beryl", "Clara", "Daniel", "Enid", "Frank", "Grace", "Hugh", "Ivy", "Jacob", "Kate", "Leonard",
    "Mabel", "Norman", "Olive", "Percy", "Queenie", "Roland",
]  # fmt: skip
FAMILY = [
    "Ackroyd", "Bunce", "Chivers", "Dray", "Elphick", "Frith", "Gudgeon", "Hobday", "Ingle", "Jessop", "Kemble",
    "Larwood", "Munday", "Nettle", "Oakes", "Pask",
]  # fmt: skip
THINGS = [
    "bucket", "ladder", "rake", "lantern", "rope", "hurdle", "saddle", "bridle", "blanket", "trestle", "bench", "flag",
    "bell", "scale", "barrow", "spade", "mallet",
]  # fmt: skip
PLACES = {  # yards east and north of the Market Square
    "Market Square": (0, 0), "Church": (180, 90), "School": (-210, 160), "Orrin Bridge": (-640, -250),
    "Mill Yard": (-420, -420), "Ferry House": (-980, -610), "Lode Stables": (-130, -560), "Downs Gate": (760, 340),
    "Weighing Room": (1010, 420), "Grandstand": (1120, 510), "Tea Room": (1180, 390), "Starting Hut": (1650, 700),
    "Signal Post": (1420, 980), "Windmill": (560, 870), "Cold Barn": (320, 640), "Top Barn": (980, 1210),
    "Quarry Yard": (-330, 820), "Chalk Pit": (-90, 1130), "Lark End": (-720, 540), "Dew Pond": (1390, 160),
}  # fmt: skip
GOING_PER_FURLONG = {"firm": 0.0, "good": 0.15, "soft": 0.5, "heavy": 0.9}  # seconds lost

Rows = list[dict[str, object]]


def going_after(rain_mm: float) -> str:
    """The club's rule 9: the going from the rain of the three days before.

    >>> going_after(3.9), going_after(4.0), going_after(20.0)
    ('firm', 'good', 'heavy')
    """
    return "firm" if rain_mm < 4 else "good" if rain_mm < 10 else "soft" if rain_mm < 20 else "heavy"


def weather(random: Random) -> Rows:
    rows: Rows = []
    wet = False
    for day in days(date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)):
        wet = random.random() < (0.6 if wet else 0.3)
        mean = 9.5 - 6.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
        low, high = mean - 3 - 4 * random.random(), mean + 2 + 6 * random.random()
        rain = round(-4.5 * math.log(1 - random.random()), 1) if wet else 0.0
        wind = random.choice(["N", "NE", "E", "SE", "S", "SW", "W", "NW"])
        rows.append({"date": day, "min_c": round(low, 1), "max_c": round(high, 1), "rain_mm": rain, "wind": wind})
    return rows


def days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def meetings(year: int) -> list[date]:
    """Nine Saturdays, three weeks apart, from the second of April on."""
    first = next(day for day in days(date(year, 4, 8), date(year, 4, 14)) if day.weekday() == 5)
    return [first + timedelta(weeks=3 * n) for n in range(9)]


def horses(random: Random) -> Rows:
    names = sorted(f"{FIRST[n % 16]} {SECOND[(5 * n + n // 16) % 16]}" for n in range(64))
    rows: Rows = []
    for name in names:
        trainer = random.choice(sorted(YARDS))
        sex, colour = random.choice(["mare", "gelding"]), random.choice(["bay", "chestnut", "grey", "brown", "roan"])
        rows.append({"horse": name, "sex": sex, "colour": colour, "foaled": random.randint(1942, 1951)}
                    | {"trainer": trainer, "yard": YARDS[trainer]})  # fmt: skip
    return rows


def results(random: Random, horses: Rows, weather: Rows) -> Rows:
    rain = {row["date"]: float(str(row["rain_mm"])) for row in weather}
    gift = {row["horse"]: random.gauss(0, 0.12) for row in horses}  # seconds per furlong
    rows: Rows = []
    for day in (day for year in YEARS for day in meetings(year)):
        going = going_after(round(sum(rain[day - timedelta(days=n)] for n in (1, 2, 3)), 1))
        fit = [row["horse"] for row in horses if 3 <= day.year - int(str(row["foaled"])) <= 12]
        random.shuffle(fit)
        for race in random.sample(sorted(RACES), 5):
            n_runners = random.randint(6, 7)
            runners, fit = fit[:n_runners], fit[n_runners:]
            rows += one_race(random, day, race, going, runners, gift)
    return rows


def one_race(random: Random, day: date, race: str, going: str, runners: Sequence[object], gift: dict) -> Rows:
    furlongs = RACES[race]
    jockeys = random.sample(JOCKEYS, len(runners))
    rows: Rows = []
    for horse, jockey in zip(runners, jockeys, strict=True):
        weight = random.randint(112, 140)
        per_furlong = 12.9 + GOING_PER_FURLONG[going] + 0.01 * (weight - 126) + gift[horse]
        time = round(furlongs * per_furlong + random.gauss(0, 0.25) * math.sqrt(furlongs), 1)
        end = random.choices(["", "fell", "pulled up"], [95, 3, 2])[0]
        rows.append({"date": day, "race": race, "going": going, "horse": horse, "jockey": jockey, "weight_lb": weight}
                    | {"position": end, "time_s": time})  # fmt: skip
    home = sorted((row for row in rows if not row["position"]), key=lambda row: float(str(row["time_s"])))
    for position, row in enumerate(home, start=1):
        row["position"] = position
        if position > 1:  # no dead heats
            row["time_s"] = round(max(float(str(row["time_s"])), float(str(home[position - 2]["time_s"])) + 0.1), 1)
    out = [row | {"time_s": ""} for row in rows if not isinstance(row["position"], int)]
    return home + out


def stewards_log(random: Random, results: Rows) -> str:
    """Four enquiries a year into horses that finished in the first three."""
    text = ["# The stewards' log", ""]
    text += ["The order past the post stands in the results, what the stewards changed only here. A disqualified horse"]
    text += ["loses its place, and all behind it move up by one. Fines are in crowns.", ""]
    outcomes = ["No action.", "The rider is fined {fine} crowns.", "The horse is disqualified.", "The rider is warned."]
    matters = ["crossing", "bumping on the bend", "misuse of the whip", "weighing in light", "a false start"]
    number = 0
    for year in YEARS:
        placed = [row for row in results if str(row["date"]).startswith(str(year)) and row["position"] in (1, 2, 3)]
        chosen = sorted(random.sample(range(len(placed)), 4))
        for index, outcome in zip(chosen, random.sample(outcomes, 4), strict=True):
            row, number = placed[index], number + 1
            finding = outcome.format(fine=random.randrange(3, 25))
            text += [f"## Enquiry {number}: {row['date']}, {row['race']}", ""]
            text += [f"Into {row['horse']}, ridden by {row['jockey']}, for {random.choice(matters)}.", f"{finding}", ""]
    return "\n".join(text)


def attendance(random: Random, weather: Rows) -> Rows:
    rain = {row["date"]: float(str(row["rain_mm"])) for row in weather}
    rows: Rows = []
    for day in (day for year in YEARS for day in meetings(year)):
        share = math.exp(-0.03 * rain[day]) * (0.8 + 0.4 * random.random())
        stand, paddock, hill = (round(n * share * (0.9 + 0.2 * random.random())) for n in (310, 540, 1250))
        rows.append({"date": day, "grandstand": stand, "paddock": paddock, "hill": hill}
                    | {"racecards": round((stand + paddock) * random.uniform(0.5, 0.8))})  # fmt: skip
    return rows


def members(random: Random) -> Rows:
    names = [f"{given} {family}" for given in GIVEN for family in FAMILY]
    rows: Rows = []
    for number, name in enumerate(random.sample(names, 132), start=101):
        kind = random.choices(["full", "country", "junior", "life"], [6, 4, 2, 1])[0]
        joined = random.randint(1952, 1955) if kind == "junior" else random.randint(1919, 1955)
        paid = "" if kind == "life" else random.choices([1955, 1954, 1953], [12, 2, 1])[0]
        rows.append({"number": number, "name": name, "class": kind, "joined": joined}
                    | {"paid_until": max(paid, joined) if isinstance(paid, int) else paid})  # fmt: skip
    return rows


def licences(random: Random) -> Rows:
    grooms = [f"{given} {family}" for given, family in zip(GIVEN, ["Tull", "Wix", "Yeo"] * 6, strict=True)]
    kinds = [("jockey", name) for name in JOCKEYS] + [("trainer", name) for name in YARDS]
    homes = ["Thistleby", "Pennyfold", "Nether Cawl", "Upper Cawl", "Lark End", "Sedge Ferry"]
    rows: Rows = []
    for number, (kind, name) in enumerate(kinds + [("groom", name) for name in grooms], start=1):
        born = random.randint(1898, 1915) if kind == "trainer" else random.randint(1916, 1933)
        rows.append({"licence": f"L{number:03d}", "kind": kind, "name": name, "born": born}
                    | {"home": random.choice(homes), "first_licensed": born + random.randint(17, 18)})  # fmt: skip
    return rows


def ledger(random: Random) -> Rows:
    items = {
        "wages": ["ground staff", "gatemen", "stable watch"], "repairs": ["rails", "stand roof", "pump", "mower"],
        "fodder": ["hay", "oats", "straw"], "printing": ["racecards", "posters"], "insurance": ["fire", "storm"],
        "rent": ["grazing, from Mr Dunnock", "tea room, from Mrs Pell"], "hire": ["marquee", "field for the fair"],
    }  # fmt: skip
    rows: Rows = []
    for number, day in enumerate(sorted(random.choices(list(days(date(1955, 1, 1), date(1955, 12, 31))), k=170)), 1):
        account = random.choice(sorted(items))
        amount, comes_in = random.randint(4, 96), account in ("rent", "hire")
        rows.append({"no": number, "date": day, "account": account, "text": random.choice(items[account])}
                    | {"in_crowns": amount if comes_in else "", "out_crowns": "" if comes_in else amount})  # fmt: skip
    return rows


def farrier_daybook(random: Random, horses: Rows) -> Rows:
    alive = [row["horse"] for row in horses]
    rows: Rows = []
    for day in sorted(random.choices(list(days(date(1955, 1, 3), date(1955, 12, 20))), k=190)):
        work, shoes = random.choice([("full set", 4), ("refit", 4), ("single", 1), ("pair", 2), ("trim", 0)])
        rows.append({"date": day, "horse": random.choice(alive), "work": work, "shoes": shoes})
    return rows


def inventory(random: Random) -> str:
    rows = []
    for number, (noun, kind) in enumerate(product(THINGS, ["old", "new", "large", "small", "painted"]), start=1):
        rows.append({"id": number, "item": f"{noun}, {kind}", "shed": random.choice("ABCD")}
                    | {"quantity": random.randint(1, 40), "groats_each": random.randint(3, 90)}
                    | {"bought": random.randint(1921, 1955)}
                    | {"condition": random.choice(["good", "fair", "poor"])})  # fmt: skip
    return lines_of_json("items", rows)


def paths(random: Random) -> str:
    """Every place joined to its four nearest; a path is 4 to 30 per cent longer than the straight line."""
    straight = {(a, b): math.dist(PLACES[a], PLACES[b]) for a in PLACES for b in PLACES if a != b}
    pairs = {tuple(sorted((a, b))) for a in PLACES
             for b in sorted((b for b in PLACES if b != a), key=lambda b: straight[a, b])[:4]}  # fmt: skip
    rows = []
    for number, (a, b) in enumerate(sorted(pairs), start=1):
        yards = round(straight[a, b] * random.uniform(1.04, 1.3))
        surface = random.choice(["grass", "gravel", "cobbles"])
        rows.append({"path": f"P{number:02d}", "from": a, "to": b, "yards": yards, "surface": surface})
    return lines_of_json("paths", rows)


def lines_of_json(key: str, rows: Sequence[object]) -> str:
    return f'{{"{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n"


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_tables(folder: Path) -> None:
    """Writes every generated document into the folder."""
    random = Random(SEED)
    sky, stable = weather(random), horses(random)
    races = results(random, stable, sky)
    for year in YEARS:
        write_csv(folder / f"results_{year}.csv", [row for row in races if str(row["date"]).startswith(str(year))])
    for year in (1954, 1955):
        write_csv(folder / f"weather_{year}.csv", [row for row in sky if str(row["date"]).startswith(str(year))])
    write_csv(folder / "horses.csv", stable)
    write_csv(folder / "attendance.csv", attendance(random, sky))
    write_csv(folder / "members.csv", members(random))
    write_csv(folder / "licences.csv", licences(random))
    write_csv(folder / "ledger_1955.csv", ledger(random))
    write_csv(folder / "farrier_daybook_1955.csv", farrier_daybook(random, stable))
    (folder / "stewards_log.md").write_text(stewards_log(random, races), encoding="utf-8")
    (folder / "inventory.json").write_text(inventory(random), encoding="utf-8")
    (folder / "paths.json").write_text(paths(random), encoding="utf-8")


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]))
