"""Wrong answers to exercise set 08."""

import ast
import json
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations, combinations_with_replacement, product
from statistics import pstdev, stdev, variance

from wrong_answers import wrong

# --- 1 · from text to a call


def _loads(text, problem, read=json.loads):
    try:
        return read(text), None
    except (ValueError, SyntaxError):
        return None, {"problem": problem}


def _call_in(inside, read=json.loads, empty="no name", bad_text="no arguments", twice=True):
    """What stands between two tags."""
    found, problem = _loads(inside.strip(), "broken JSON", read)
    if problem:
        return problem
    if not isinstance(found, dict):
        return {"problem": "no object"}
    if not isinstance(found.get("name"), str) or (not found["name"] and empty):
        return {"problem": "no name"}
    arguments = found.get("arguments", {})
    if isinstance(arguments, str) and twice:
        arguments, problem = _loads(arguments, bad_text)
        if problem:
            return problem
    if not isinstance(arguments, dict) and twice:
        return {"problem": "no arguments"}
    return {"call": {"name": found["name"], "arguments": arguments}}


def _read(text, **options):
    """All of it, with some options for what stands between the tags."""
    out = read_call(text)  # noqa: F821 (the set's own)
    if out.get("problem") in ("no call", "several calls", "not closed"):
        return out
    return _call_in(text.rpartition("<tool_call>")[2].partition("</tool_call>")[0], **options)


def _behind(text):
    return text.rpartition("</think>")[2]


@wrong("read-call", says="end your function with `return ...`")
def call_returns_nothing(text):
    read_call(text)  # noqa: F821


@wrong("read-call", says="a dict is wanted")
def call_and_problem_as_a_pair(text):
    out = read_call(text)  # noqa: F821
    return out.get("call"), out.get("problem")


@wrong("read-call", says="the call came back bare")
def bare_call(text):
    out = read_call(text)  # noqa: F821
    return out.get("call", out)


@wrong("read-call", says="a problem is returned, never raised")
def raises_problems(text):
    out = read_call(text)  # noqa: F821
    if "problem" in out:
        raise ValueError(out["problem"])
    return out


@wrong("read-call", says="a plain call: expected")
def arguments_left_out(text):
    out = read_call(text)  # noqa: F821
    return {"call": {"name": out["call"]["name"]}} if "call" in out else out


@wrong("read-call", says="text before and after the tags does no harm")
def nothing_but_the_tags(text):
    text = _behind(text).strip()
    if not text.startswith("<tool_call>") or not text.endswith("</tool_call>"):
        return {"problem": "no call"}
    return read_call(text)  # noqa: F821


@wrong("read-call", says="a text without a tag")
def without_a_tag_all_is_the_call(text):
    return read_call(text) if "<tool_call>" in _behind(text) else _call_in(_behind(text))  # noqa: F821


@wrong("read-call", says="the call in the thinking was counted")
def thinking_counts(text):
    return read_call(text.replace("</think>", ""))  # noqa: F821


@wrong("read-call", says="a </think> without a <think>")
def thinking_has_two_tags(text):
    return read_call(re.sub("<think>.*?</think>", "", text, flags=re.DOTALL).replace("</think>", ""))  # noqa: F821


@wrong("read-call", says="two </think>")
def behind_the_first_think(text):
    before, tag, behind = text.partition("</think>")
    return read_call((behind if tag else before).replace("</think>", ""))  # noqa: F821


@wrong("read-call", says="a call that was only thought of")
def else_what_was_thought(text):
    return read_call(text if "<tool_call>" in _behind(text) else text.replace("</think>", ""))  # noqa: F821


@wrong("read-call", says="the first one was taken")
def first_of_several(text):
    _, tag, rest = _behind(text).partition("<tool_call>")
    return read_call(tag + rest.partition("<tool_call>")[0])  # noqa: F821


@wrong("read-call", says="the last one was taken")
def last_of_several(text):
    _, tag, rest = _behind(text).rpartition("<tool_call>")
    return read_call(tag + rest)  # noqa: F821


@wrong("read-call", says="one of them broken, are several calls")
def only_calls_that_can_be_read_are_counted(text):
    parts = ["<tool_call>" + part for part in _behind(text).split("<tool_call>")[1:]]
    good = [part for part in parts if read_call(part) != {"problem": "broken JSON"}]  # noqa: F821
    return read_call(good[0] if len(good) == 1 else _behind(text))  # noqa: F821


@wrong("read-call", says="one of them not closed, are several calls")
def closing_tags_are_counted(text):
    if _behind(text).count("</tool_call>") > 1:
        return {"problem": "several calls"}
    return first_of_several(text)


@wrong("read-call", says="the closing tag is missing, and the call was made")
def closes_it_itself(text):
    out = read_call(text)  # noqa: F821
    return read_call(text + "</tool_call>") if out == {"problem": "not closed"} else out  # noqa: F821


@wrong("read-call", says="so that the model learns what is missing")
def a_pattern_needs_both_tags(text):
    out = read_call(text)  # noqa: F821
    return {"problem": "no call"} if out == {"problem": "not closed"} else out


@wrong("read-call", says="is Python, not JSON")
def reads_python(text):
    return _read(text, read=ast.literal_eval)


@wrong("read-call", says="a list is JSON, but no object")
def a_list_is_broken(text):
    out = read_call(text)  # noqa: F821
    return {"problem": "broken JSON"} if out == {"problem": "no object"} else out


@wrong("read-call", says="no name: expected")
def without_a_name_it_is_broken(text):
    out = read_call(text)  # noqa: F821
    return {"problem": "broken JSON"} if out == {"problem": "no name"} else out


@wrong("read-call", says="a name that is a list")
def any_name_will_do(text):
    out = read_call(text)  # noqa: F821
    if out != {"problem": "no name"}:
        return out
    found = json.loads(_behind(text).partition("<tool_call>")[2].partition("</tool_call>")[0])
    return {"call": {"name": found["name"], "arguments": {}}} if found.get("name") else out


@wrong("read-call", says="a name of 0 characters")
def an_empty_name_will_do(text):
    return _read(text, empty=False)


@wrong("read-call", says="without arguments they are {}")
def arguments_must_be_there(text):
    out = read_call(text)  # noqa: F821
    return out if "call" not in out or '"arguments"' in _behind(text) else {"problem": "no arguments"}


@wrong("read-call", says="read that text as well")
def arguments_may_be_text(text):
    return _read(text, twice=False)


@wrong("read-call", says="worked example: arguments as a text of JSON")
def arguments_as_text_are_refused(text):
    out = _read(text, twice=False)
    good = "call" not in out or isinstance(out["call"]["arguments"], dict)
    return out if good else {"problem": "no arguments"}


@wrong("read-call", says="where only the arguments cannot be read")
def all_that_is_broken_is_broken(text):
    return _read(text, bad_text="broken JSON")


@wrong("read-call", says="arguments that are a text, but no JSON")
def arguments_that_are_broken_are_none(text):
    out = read_call(text)  # noqa: F821
    raw = _read(text, twice=False)
    is_text = "call" in raw and isinstance(raw["call"]["arguments"], str)
    return {"call": raw["call"] | {"arguments": {}}} if is_text and "problem" in out else out


@wrong("read-call", says="arguments that are a list")
def a_list_of_arguments_will_do(text):
    out, raw = read_call(text), _read(text, twice=False)  # noqa: F821
    return raw if "call" in raw and isinstance(raw["call"]["arguments"], list) else out


@wrong("read-call", says="null is there, and is no object")
def null_is_nothing(text):
    out, raw = read_call(text), _read(text, twice=False)  # noqa: F821
    is_null = "call" in raw and raw["call"]["arguments"] is None
    return {"call": raw["call"] | {"arguments": {}}} if is_null else out


@wrong("read-call", hidden=True)
def closing_tag_anywhere(text):
    behind = _behind(text)
    out = read_call(text)  # noqa: F821
    if "<tool_call>" in behind and 0 <= behind.find("</tool_call>") < behind.find("<tool_call>"):
        return {"problem": "broken JSON"}
    return out


@wrong("read-call", hidden=True)
def reads_text_for_ever(text):
    raw = _read(text, twice=False)
    if "call" not in raw:
        return raw
    arguments = raw["call"]["arguments"]
    while isinstance(arguments, str):
        arguments, problem = _loads(arguments, "no arguments")
        if problem:
            return problem
    return (
        {"call": raw["call"] | {"arguments": arguments}} if isinstance(arguments, dict) else {"problem": "no arguments"}
    )


@wrong("read-call", hidden=True)
def a_number_is_a_name(text):
    raw = any_name_will_do(text)
    return raw if "call" in raw and isinstance(raw["call"]["name"], int) else read_call(text)  # noqa: F821


@wrong("read-call", says="a plain call came back as a problem")
def a_point_stops_at_line_breaks(text):
    """A regular expression without re.DOTALL."""
    out = read_call(text)  # noqa: F821
    inside = _behind(text).partition("<tool_call>")[2].partition("</tool_call>")[0]
    return {"problem": "not closed"} if "call" in out and "\n" in inside else out


@wrong("read-call", says="every rule ends in a return")
def forgets_a_return(text):
    out = read_call(text)  # noqa: F821
    return None if out == {"problem": "broken JSON"} else out


@wrong("read-call", says="the first rule that applies decides")
def arguments_before_the_name(text):
    out = read_call(text)  # noqa: F821
    if out != {"problem": "no name"}:
        return out
    found = json.loads(_behind(text).partition("<tool_call>")[2].partition("</tool_call>")[0])
    return out if isinstance(found.get("arguments", {}), (dict, str)) else {"problem": "no arguments"}


@wrong("read-call", says='a third key, "id"')
def all_keys_make_the_call(text):
    out = read_call(text)  # noqa: F821
    if "call" not in out:
        return out
    return {"call": json.loads(_behind(text).partition("<tool_call>")[2].partition("</tool_call>")[0]) | out["call"]}


@wrong("read-call", hidden=True)
def not_closed_before_several(text):
    several = _behind(text).count("<tool_call>") > 1 and "</tool_call>" not in _behind(text).partition("<tool_call>")[2]
    return {"problem": "not closed"} if several else read_call(text)  # noqa: F821


@wrong("read-call", hidden=True)
def nothing_between_the_tags_is_no_call(text):
    inside = _behind(text).partition("<tool_call>")[2].partition("</tool_call>")[0]
    out = read_call(text)  # noqa: F821
    return {"problem": "no call"} if out == {"problem": "broken JSON"} and not inside.strip() else out


@wrong("read-call", hidden=True)
def names_are_stripped(text):
    out = read_call(text)  # noqa: F821
    return {"call": out["call"] | {"name": out["call"]["name"].strip()}} if "call" in out else out


# --- 2 · arguments against a schema


def _fits(value, kind, bool_is=(), one_is_true=False, whole="both", ints=True):
    if isinstance(value, bool):
        return kind == "boolean" or kind in bool_is
    if kind == "boolean":
        return one_is_true and value in (0, 1)
    if kind == "integer":
        if whole == "any":
            return isinstance(value, (int, float))
        return isinstance(value, int) or (whole == "both" and isinstance(value, float) and value.is_integer())
    if kind == "number":
        return isinstance(value, (int, float) if ints else float)
    return isinstance(value, {"string": str, "array": list, "object": dict}[kind])


def _check(schema, arguments, depth=99, index=str, nested_required=True, below=None, above=None, enum_first=False,
           texts=False, known=None, items=True, fits=_fits):  # fmt: skip
    problems = {}

    def look(value, schema, path, level):
        kind = schema["type"]
        text_in_list = texts and kind == "array" and isinstance(value, str)
        enum = "enum" in schema and value not in schema["enum"]
        not_one_of = f"not one of {', '.join(map(str, schema.get('enum', [])))}"
        if enum and enum_first:
            problems[path] = not_one_of
        elif not text_in_list and not fits(value, kind):
            problems[path] = f"not of type {kind}"
        elif enum:
            problems[path] = not_one_of
        elif "minimum" in schema and (below or (lambda a, b: a < b))(value, schema["minimum"]):
            problems[path] = f"below {schema['minimum']}"
        elif "maximum" in schema and (above or (lambda a, b: a > b))(value, schema["maximum"]):
            problems[path] = f"above {schema['maximum']}"
        elif kind == "array" and items and level < depth:
            for i, item in enumerate(value if "items" in schema else []):
                look(item, schema["items"], path + index(f"[{i}]"), level + 1)
        elif kind == "object" and level < depth:
            properties = schema.get("properties", {})
            start = f"{path}." if path else ""
            for name in schema.get("required", []):
                if name not in value and (nested_required or not path):
                    problems[start + name] = "missing"
            for name, item in value.items():
                if name in properties:
                    look(item, properties[name], start + name, level + 1)
                elif not known or name not in known:
                    problems[start + name] = "unknown"

    look(arguments, schema, "", 0)
    return problems


@wrong("check-arguments", says="end your function with `return ...`")
def check_returns_nothing(schema, arguments):
    _check(schema, arguments)


@wrong("check-arguments", says="a dict is wanted, from path to problem")
def a_list_of_pairs(schema, arguments):
    return list(_check(schema, arguments).items())


@wrong("check-arguments", says="only names in `required` have to be there")
def all_properties_are_required(schema, arguments):
    return {name: "missing" for name in schema["properties"] if name not in arguments} | _check(schema, arguments)


@wrong("check-arguments", says="arguments that fit: expected {}")
def an_entry_for_each_place(schema, arguments):
    return dict.fromkeys(arguments, "fits") | _check(schema, arguments)


@wrong("check-arguments", says="`name` is required and was not there")
def forgets_required(schema, arguments):
    return {path: said for path, said in _check(schema, arguments).items() if said != "missing"}


@wrong("check-arguments", says="no arguments at all")
def missing_is_a_wrong_type(schema, arguments):
    out = _check(schema, arguments)
    return {path: "not of type string" if said == "missing" else said for path, said in out.items()}


@wrong("check-arguments", says="a model that misspells a name has to be told")
def forgets_unknown_names(schema, arguments):
    return {path: said for path, said in _check(schema, arguments).items() if said != "unknown"}


@wrong("check-arguments", says="a misspelt name")
def unknown_is_missing(schema, arguments):
    out = _check(schema, arguments)
    return {path: "missing" if said == "unknown" else said for path, said in out.items()}


@wrong("check-arguments", says="a name that is 7")
def everything_is_a_text(schema, arguments):
    return {path: said for path, said in _check(schema, arguments).items() if said != "not of type string"}


@wrong("check-arguments", says='"3" was taken for a number')
def texts_become_numbers(schema, arguments):
    def fits(value, kind):
        return _fits(value, kind) or (kind in ("integer", "number") and isinstance(value, str) and value.isdigit())

    return _check(schema, arguments, fits=fits, below=lambda a, b: float(a) < b, above=lambda a, b: float(a) > b)


@wrong("check-arguments", says="isinstance(True, int) is True in Python")
def true_is_an_integer(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, bool_is=("integer", "number")))


@wrong("check-arguments", says="a bool is no number either")
def true_is_a_number(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, bool_is=("number",)))


@wrong("check-arguments", says="only True and False are booleans")
def one_is_true(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, one_is_true=True))


@wrong("check-arguments", says="False for quiet fits a boolean")
def false_is_no_value(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: value is not False and _fits(value, kind))


@wrong("check-arguments", says="every integer is a number")
def numbers_are_floats(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, ints=False))


@wrong("check-arguments", says="a float without a fraction is an integer")
def integers_are_ints(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, whole="int"))


@wrong("check-arguments", says="3.5 for n_lines")
def integers_are_numbers(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: _fits(value, kind, whole="any"))


@wrong("check-arguments", says="None was let through")
def none_fits_everything(schema, arguments):
    return _check(schema, arguments, fits=lambda value, kind: value is None or _fits(value, kind))


@wrong("check-arguments", says="name is there, and is None")
def none_is_missing(schema, arguments):
    return _check(schema, {name: value for name, value in arguments.items() if value is not None})


@wrong("check-arguments", says="None for name: expected")
def none_has_a_problem_of_its_own(schema, arguments):
    out = _check(schema, arguments)
    return {path: "is None" if arguments.get(path, 0) is None else said for path, said in out.items()}


@wrong("check-arguments", says="0 for n_lines")
def forgets_the_minimum(schema, arguments):
    return _check(schema, arguments, below=lambda a, b: False)


@wrong("check-arguments", says="21 for n_lines")
def forgets_the_maximum(schema, arguments):
    return _check(schema, arguments, above=lambda a, b: False)


@wrong("check-arguments", says="1 is the smallest that is allowed")
def minimum_is_not_allowed(schema, arguments):
    return _check(schema, arguments, below=lambda a, b: a <= b)


@wrong("check-arguments", says="20 is the largest that is allowed")
def maximum_is_not_allowed(schema, arguments):
    return _check(schema, arguments, above=lambda a, b: a >= b)


@wrong("check-arguments", says="'left' for order")
def forgets_the_enum(schema, arguments):
    return {path: said for path, said in _check(schema, arguments).items() if "not one of" not in said}


@wrong("check-arguments", says="the type comes before the enum")
def enum_before_type(schema, arguments):
    return _check(schema, arguments, enum_first=True)


@wrong("check-arguments", says="your function raised TypeError")
def limits_before_type(schema, arguments):
    limits = {name: part["minimum"] for name, part in schema["properties"].items() if "minimum" in part}
    too_small = {
        name: f"below {limits[name]}" for name in limits if name in arguments and arguments[name] < limits[name]
    }
    return _check(schema, arguments) | too_small


@wrong("check-arguments", says="the items of a list were not looked at")
def lists_are_not_opened(schema, arguments):
    return _check(schema, arguments, items=False)


@wrong("check-arguments", says="name the item, not the list")
def items_have_no_path(schema, arguments):
    return _check(schema, arguments, index=lambda text: "")


@wrong("check-arguments", says="items are counted from 0")
def items_are_counted_from_1(schema, arguments):
    return _check(schema, arguments, index=lambda text: f"[{int(text[1:-1]) + 1}]")


@wrong("check-arguments", says="the second of two columns is 7")
def items_behind_a_point(schema, arguments):
    return _check(schema, arguments, index=lambda text: f".{text[1:-1]}")


@wrong("check-arguments", says="a text in place of a list")
def a_text_is_a_list_of_letters(schema, arguments):
    return _check(schema, arguments, texts=True)


@wrong("check-arguments", says="the path of a place begins at the top")
def last_name_alone(schema, arguments):
    return {path.rpartition(".")[2]: said for path, said in _check(schema, arguments).items()}


@wrong("check-arguments", says="expected {'where[0].least'")
def objects_in_lists_are_not_opened(schema, arguments):
    return _check(schema, arguments, depth=2)


@wrong("check-arguments", says="`required` of an object in a list")
def required_at_the_top_alone(schema, arguments):
    return _check(schema, arguments, nested_required=False)


@wrong("check-arguments", says="is no property of the objects in `where`")
def names_are_known_everywhere(schema, arguments):
    return _check(schema, arguments, known=schema["properties"])


@wrong("check-arguments", says="one problem of several came back")
def the_first_problem(schema, arguments):
    return dict(list(_check(schema, arguments).items())[:1])


@wrong("check-arguments", says="worked example")
def an_object_has_one_problem(schema, arguments):
    """Stops after the missing names of an object."""
    out = _check(schema, arguments)
    gone = {path.rpartition(".")[0] for path, said in out.items() if said == "missing"}
    return {path: said for path, said in out.items() if said != "unknown" or path.rpartition(".")[0] not in gone}


@wrong("check-arguments", says="the schema or the arguments were changed")
def takes_the_arguments_out(schema, arguments):
    out = _check(schema, arguments)
    for name in list(arguments):
        arguments.pop(name)
    return out


@wrong("check-arguments", hidden=True)
def opens_three_levels(schema, arguments):
    return _check(schema, arguments, depth=3)


@wrong("check-arguments", says="the place is page.top")
def objects_stand_in_lists_only(schema, arguments):
    """A point is set after an index alone."""
    return {re.sub(r"(?<=\w)\.(?=\w)", "", path): said for path, said in _check(schema, arguments).items()}


@wrong("check-arguments", says="limits are for every number")
def limits_are_for_integers(schema, arguments):
    return _check(
        schema,
        arguments,
        below=lambda a, b: isinstance(a, int) and a < b,
        above=lambda a, b: isinstance(a, int) and a > b,
    )


def _each(schema):
    """All schemas in a schema, itself too."""
    yield schema
    for part in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from _each(part)


@wrong("check-arguments", says="raised KeyError ('items') for {'list': [1, 'up']}; a schema need not have this key")
def needs_items(schema, arguments):
    for name, part in schema["properties"].items():
        if part["type"] == "array" and name in arguments:
            part["items"]
    return _check(schema, arguments)


@wrong("check-arguments", says="raised KeyError ('required')")
def needs_required(schema, arguments):
    assert isinstance(schema["required"], list)
    return _check(schema, arguments)


@wrong("check-arguments", says="takes any items")
def without_items_none_fits(schema, arguments):
    out = _check(schema, arguments)
    for name, part in schema["properties"].items():
        if part["type"] == "array" and "items" not in part and arguments.get(name):
            out[f"{name}[0]"] = "unknown"
    return out


@wrong("check-arguments", says="a limit of 0 is a limit")
def a_limit_of_0_is_none(schema, arguments):
    return _check(schema, arguments, below=lambda a, b: bool(b) and a < b, above=lambda a, b: bool(b) and a > b)


@wrong("check-arguments", says="an enum may have numbers")
def enums_are_for_texts(schema, arguments):
    out = _check(schema, arguments)
    texts = {f"not one of {', '.join(part['enum'])}" for part in _each(schema)
             if "enum" in part and part["type"] == "string"}  # fmt: skip
    return {path: said for path, said in out.items() if "not one of" not in said or said in texts}


@wrong("check-arguments", says="the enum comes first")
def limits_before_the_enum(schema, arguments):
    out = _check(schema, arguments)
    for name, part in schema["properties"].items():
        if "enum" in part and "minimum" in part and name in out and arguments[name] < part["minimum"]:
            out[name] = f"below {part['minimum']}"
    return out


@wrong("check-arguments", says="your function raised TypeError (sequence item 0")
def joins_the_enum_as_it_is(schema, arguments):
    out = _check(schema, arguments)
    for name, part in schema["properties"].items():
        if "enum" in part and out.get(name, "").startswith("not one of"):
            out[name] = "not one of " + ", ".join(part["enum"])
    return out


@wrong("check-arguments", says="lists in a list")
def lists_in_lists_have_one_index(schema, arguments):
    return {re.sub(r"\[\d+\](?=\[)", "", path): said for path, said in _check(schema, arguments).items()}


@wrong("check-arguments", hidden=True)
def none_is_missing_inside(schema, arguments):
    def without(value, deep=True):
        if isinstance(value, dict):
            return {name: without(item) for name, item in value.items() if item is not None or not deep}
        return [without(item) for item in value] if isinstance(value, list) else value

    return _check(schema, without(arguments, deep=False))


@wrong("check-arguments", hidden=True)
def without_properties_every_name_is_allowed(schema, arguments):
    free = any(part["type"] == "object" and "properties" not in part for part in _each(schema))
    return {path: said for path, said in _check(schema, arguments).items() if said != "unknown" or not free}


# --- 3 · a loop that ends in every case


def _same(call, proposed):
    return proposed.count(call)


def _run(propose, tools, question, *, most_steps, most_tokens, shown=lambda steps: list(steps), as_text=str,
         answer_tokens=True, refused_tokens=True, steps_full=lambda n, most: n >= most, error=None,
         catches=(Exception,),
         fails=True, unknown=None, tokens_full=lambda n, most: n > most, first_call=None, answer_over=True, n_same=3,
         same=_same, order=("tokens", "steps", "loop"), make_looped=False, ask=None):  # fmt: skip
    steps, proposed, n_tokens = [], [], 0
    while True:
        if first_call and (early := first_call(len(steps), n_tokens)):
            return {"answer": None, "ended": early, "n_tokens": n_tokens, "steps": steps}
        proposal = (ask or propose)(question, shown(steps))
        before = n_tokens
        n_tokens += proposal["tokens"] if answer_tokens or "answer" not in proposal else 0
        if "answer" in proposal and (answer_over or n_tokens <= most_tokens):
            return {"answer": proposal["answer"], "ended": "answered", "n_tokens": n_tokens, "steps": steps}
        if "answer" in proposal:
            return {"answer": None, "ended": "tokens", "n_tokens": n_tokens, "steps": steps}
        call = (proposal["tool"], proposal["arguments"])
        proposed.append(call)
        holds = {
            "tokens": tokens_full(n_tokens, most_tokens), "steps": steps_full(len(steps), most_steps),
            "loop": same(call, proposed) >= n_same,
        }  # fmt: skip
        ended = next((end for end in order if holds[end]), None)
        if ended and not (ended == "loop" and make_looped):
            n_tokens = n_tokens if refused_tokens else before
            return {"answer": None, "ended": ended, "n_tokens": n_tokens, "steps": steps}
        name, arguments = call
        if name not in tools:
            if unknown == "skip":
                continue
            observation, is_error = unknown or f"no tool '{name}'; there are: {', '.join(tools)}", True
        else:
            try:
                observation, is_error = as_text(tools[name](**arguments)), False
            except catches as problem:
                observation = (error or (lambda e: f"{type(e).__name__}: {e}"))(problem)
                is_error = fails
        steps.append({"tool": name, "arguments": arguments, "observation": observation, "is_error": is_error})
        if ended:
            return {"answer": None, "ended": ended, "n_tokens": n_tokens, "steps": steps}


@wrong("run-until", says="end your function with `return ...`")
def run_returns_nothing(propose, tools, question, **most):
    _run(propose, tools, question, **most)


@wrong("run-until", says="a dict is wanted")
def run_as_a_tuple(propose, tools, question, **most):
    return tuple(_run(propose, tools, question, **most).values())


@wrong("run-until", says="an answer at once")
def no_steps_is_none(propose, tools, question, **most):
    out = _run(propose, tools, question, **most)
    return out | {"steps": out["steps"] or None}


@wrong("run-until", says="then the model was not asked once more")
def looks_before_it_asks(propose, tools, question, *, most_steps, most_tokens):
    return _run(
        propose, tools, question, most_steps=most_steps, most_tokens=most_tokens,
        first_call=lambda n, n_tokens: "steps" if n >= most_steps > 0 else None,
    )  # fmt: skip


@wrong("run-until", says="the second proposal was made without the first step")
def shows_no_steps(propose, tools, question, **most):
    return _run(propose, tools, question, **most, shown=lambda steps: [])


@wrong("run-until", says="propose(question, steps): it was shown")
def grows_the_question(propose, tools, question, **most):
    def ask(question, steps):
        return propose(question + "".join(step["observation"] for step in steps), steps)

    return _run(propose, tools, question, **most, ask=ask)


@wrong("run-until", says="a model reads text")
def observations_are_values(propose, tools, question, **most):
    return _run(propose, tools, question, **most, as_text=lambda value: value)


@wrong("run-until", says="the answer has been written as well")
def tokens_of_calls_alone(propose, tools, question, **most):
    return _run(propose, tools, question, **most, answer_tokens=False)


@wrong("run-until", says="propose was shown other steps")
def shows_the_observations(propose, tools, question, **most):
    return _run(propose, tools, question, **most, shown=lambda steps: [step["observation"] for step in steps])


@wrong("run-until", says="an answer is no step")
def the_answer_is_a_step(propose, tools, question, **most):
    out = _run(propose, tools, question, **most)
    last = {"tool": None, "arguments": {}, "observation": out["answer"], "is_error": False}
    return out | {"steps": out["steps"] + [last] * (bool(out["steps"]) and out["ended"] == "answered")}


@wrong("run-until", says="one step is allowed, and two calls were made")
def forgets_the_steps(propose, tools, question, *, most_steps, most_tokens):
    return _run(propose, tools, question, most_steps=10**6, most_tokens=most_tokens)


@wrong("run-until", says="your loop asked the model a third time")
def asks_until_it_answers(propose, tools, question, *, most_steps, most_tokens):
    def ask(question, steps):
        proposal = propose(question, steps)
        n_tokens = proposal["tokens"]
        while len(steps) >= most_steps and "answer" not in proposal:
            proposal = propose(question, steps)
            n_tokens += proposal["tokens"]
        return proposal | {"tokens": n_tokens}

    return _run(propose, tools, question, most_steps=most_steps, most_tokens=most_tokens, ask=ask)


@wrong("run-until", says="the call that was not made has been written")
def refused_calls_cost_nothing(propose, tools, question, **most):
    return _run(propose, tools, question, **most, refused_tokens=False)


@wrong("run-until", says="6 tokens: the proposal that was too long has been written")
def what_is_too_long_costs_nothing(propose, tools, question, **most):
    n_tokens = []

    def ask(question, steps):
        proposal = propose(question, steps)
        n_tokens.append(proposal["tokens"])
        return proposal

    out = _run(propose, tools, question, **most, ask=ask)
    return out | {"n_tokens": out["n_tokens"] - n_tokens[-1]} if out["ended"] == "tokens" else out


@wrong("run-until", says="worked example, a second call")
def the_last_observation_is_the_answer(propose, tools, question, **most):
    out = _run(propose, tools, question, **most)
    return out | {"answer": out["steps"][-1]["observation"]} if out["ended"] == "steps" and out["steps"] else out


@wrong("run-until", says="an error of a tool is an observation")
def errors_end_it(propose, tools, question, **most):
    return _run(propose, tools, question, **most, catches=())


@wrong("run-until", says="the class of the error is missing")
def errors_without_their_class(propose, tools, question, **most):
    return _run(propose, tools, question, **most, error=str)


@wrong("run-until", says="the tool raised an error, and is_error is False")
def errors_are_no_errors(propose, tools, question, **most):
    return _run(propose, tools, question, **most, fails=False)


@wrong("run-until", says="a tool that raises")
def errors_as_python_shows_them(propose, tools, question, **most):
    return _run(propose, tools, question, **most, error=repr)


@wrong("run-until", says="the model has to be told")
def skips_unknown_tools(propose, tools, question, **most):
    return _run(propose, tools, question, **most, unknown="skip")


@wrong("run-until", says="a tool that does not exist: expected")
def python_names_the_unknown_tool(propose, tools, question, **most):
    return _run(propose, tools, question, **most, unknown="KeyError: 'ad'")


@wrong("run-until", says="an argument is missing")
def looks_for_missing_arguments_itself(propose, tools, question, **most):
    def error(problem):
        return "missing argument" if isinstance(problem, TypeError) else f"{type(problem).__name__}: {problem}"

    return _run(propose, tools, question, **most, error=error)


@wrong("run-until", says="a call was made after 11")
def looks_at_tokens_before_it_asks(propose, tools, question, *, most_steps, most_tokens):
    return _run(
        propose, tools, question, most_steps=most_steps, most_tokens=10**9,
        first_call=lambda n, n_tokens: "tokens" if n_tokens > most_tokens else None,
    )  # fmt: skip


@wrong("run-until", says="6 and 5 tokens where 10 are allowed")
def tokens_is_called_steps(propose, tools, question, **most):
    out = _run(propose, tools, question, **most)
    return out | {"ended": "budget"} if out["ended"] == "tokens" else out


@wrong("run-until", says="that is not more than 10")
def all_tokens_are_too_many(propose, tools, question, **most):
    return _run(propose, tools, question, **most, tokens_full=lambda n, most: n >= most)


@wrong("run-until", says="it counts all the same, for it has been paid for")
def no_answer_over_the_limit(propose, tools, question, **most):
    return _run(propose, tools, question, **most, answer_over=False)


@wrong("run-until", says="an answer over the limit")
def an_answer_over_the_limit_costs_the_limit(propose, tools, question, *, most_steps, most_tokens):
    out = _run(propose, tools, question, most_steps=most_steps, most_tokens=most_tokens)
    return out | {"n_tokens": min(out["n_tokens"], most_tokens)} if out["ended"] == "answered" else out


@wrong("run-until", says="the same call for the second time is made")
def twice_is_a_loop(propose, tools, question, **most):
    return _run(propose, tools, question, **most, n_same=2)


@wrong("run-until", says="the same call twice, then an answer")
def the_second_time_is_remembered(propose, tools, question, **most):
    """Does not make the call again: gives what came back the first time."""
    seen = {}

    def remembering(name):
        def tool(**arguments):
            key = (name, str(sorted(arguments.items())))
            if key not in seen:
                seen[key] = tools[name](**arguments)
            return seen[key]

        return tool

    return _run(propose, {name: remembering(name) for name in tools}, question, **most)


@wrong("run-until", says="and the loop went on: 'loop'")
def no_loop_is_seen(propose, tools, question, **most):
    return _run(propose, tools, question, **most, n_same=10**6)


@wrong("run-until", says="the third time it is not made")
def makes_the_third_call(propose, tools, question, **most):
    return _run(propose, tools, question, **most, make_looped=True)


@wrong("run-until", says="the same call three times: expected")
def a_loop_is_an_answer(propose, tools, question, **most):
    out = _run(propose, tools, question, **most)
    return out | {"answer": "loop"} if out["ended"] == "loop" else out


@wrong("run-until", says="it need not be in a row to be a loop")
def in_a_row(propose, tools, question, **most):
    def same(call, proposed):
        n = 0
        while n < len(proposed) and proposed[-1 - n] == call:
            n += 1
        return n

    return _run(propose, tools, question, **most, same=same)


@wrong("run-until", says="compare dicts, not their texts")
def compares_texts(propose, tools, question, **most):
    return _run(
        propose, tools, question, **most, same=lambda call, proposed: [str(c) for c in proposed].count(str(call))
    )


@wrong("run-until", says="three calls of one tool with three different arguments")
def one_tool_three_times(propose, tools, question, **most):
    """With different arguments a loop is seen at the third step, whatever the arguments are."""

    def same(call, proposed):
        others = [arguments for name, arguments in proposed if name == call[0]]
        return len(others) if len({str(arguments) for arguments in others}) > 2 else proposed.count(call)

    return _run(propose, tools, question, **most, same=same)


@wrong("run-until", says="three tools with the same arguments")
def compares_arguments_alone(propose, tools, question, **most):
    return _run(propose, tools, question, **most, same=lambda call, proposed: [a for _, a in proposed].count(call[1]))


@wrong("run-until", says="a call that fails, three times")
def failed_calls_do_not_count(propose, tools, question, **most):
    failed = []

    def watched(name):
        def tool(**arguments):
            try:
                return tools[name](**arguments)
            except Exception:
                failed.append((name, arguments))
                raise

        return tool

    return _run(
        propose, {name: watched(name) for name in tools}, question, **most,
        same=lambda call, proposed: proposed.count(call) - failed.count(call),
    )  # fmt: skip


@wrong("run-until", says="the first rule that holds is 'steps'")
def a_loop_before_the_steps(propose, tools, question, **most):
    return _run(propose, tools, question, **most, order=("tokens", "loop", "steps"))


@wrong("run-until", says="the first rule that holds gives the name")
def steps_before_tokens(propose, tools, question, **most):
    return _run(propose, tools, question, **most, order=("steps", "tokens", "loop"))


@wrong("run-until", says="the order of the dict is fail, add")
def tools_in_the_order_of_the_alphabet(propose, tools, question, **most):
    return _run(propose, dict(sorted(tools.items())), question, **most)


@wrong("run-until", hidden=True)
def catches_some_errors(propose, tools, question, **most):
    return _run(propose, tools, question, **most, catches=(ValueError, TypeError, KeyError))


@wrong("run-until", says="a proposal with an answer has no 'tool'")
def reads_the_tool_first(propose, tools, question, **most):
    def ask(question, steps):
        proposal = propose(question, steps)
        proposal["tool"]
        return proposal

    return _run(propose, tools, question, **most, ask=ask)


@wrong("run-until", says="a proposal of a call has no 'answer'")
def reads_the_answer_first(propose, tools, question, **most):
    def ask(question, steps):
        proposal = propose(question, steps)
        proposal["answer"]
        return proposal

    return _run(propose, tools, question, **most, ask=ask)


@wrong("run-until", says="your own code, no tool, raised KeyError ('ad')")
def looks_unknown_tools_up(propose, tools, question, **most):
    def ask(question, steps):
        proposal = propose(question, steps)
        if "tool" in proposal:
            tools[proposal["tool"]]
        return proposal

    return _run(propose, tools, question, **most, ask=ask)


@wrong("run-until", says="can hold no dict and no list")
def calls_in_a_set(propose, tools, question, **most):
    def same(call, proposed):
        return [(name, frozenset(each.items())) for name, each in proposed].count((call[0], frozenset(call[1].items())))

    return _run(propose, tools, question, **most, same=same)


@wrong("run-until", says="the first call was not made")
def the_last_step_is_for_the_answer(propose, tools, question, **most):
    return _run(propose, tools, question, **most, steps_full=lambda n, most: n >= most - 1)


@wrong("run-until", says="the text of that is '0'")
def nothing_for_0(propose, tools, question, **most):
    return _run(propose, tools, question, **most, as_text=lambda value: str(value or ""))


@wrong("run-until", says="an empty text is an answer")
def asks_for_the_answers_value(propose, tools, question, **most):
    def ask(question, steps):
        proposal = propose(question, steps)
        return proposal if proposal.get("answer", "-") else propose(question, steps)

    return _run(propose, tools, question, **most, ask=ask)


@wrong("run-until", says="calls that end in an error are steps as well")
def errors_are_not_counted(propose, tools, question, *, most_steps, most_tokens):
    n_good = []

    def shown(steps):
        n_good[:] = [sum(not step["is_error"] for step in steps)]
        return list(steps)

    return _run(
        propose, tools, question, most_steps=most_steps, most_tokens=most_tokens, shown=shown,
        steps_full=lambda n, most: n_good[0] >= most,
    )  # fmt: skip


@wrong("run-until", says="a call of a tool that does not exist, three times")
def unknown_tools_make_no_loop(propose, tools, question, **most):
    return _run(propose, tools, question, **most, same=lambda call, proposed: proposed.count(call) * (call[0] in tools))


@wrong("run-until", says="an argument that is a list, three times the same")
def lists_make_no_loop(propose, tools, question, **most):
    def same(call, proposed):
        return 0 if any(isinstance(value, list) for value in call[1].values()) else proposed.count(call)

    return _run(propose, tools, question, **most, same=same)


@wrong("run-until", says="are two different calls")
def compares_sorted_values(propose, tools, question, **most):
    def form(call):
        return call[0], sorted(map(str, call[1].values()))

    return _run(propose, tools, question, **most, same=lambda call, proposed: [*map(form, proposed)].count(form(call)))


@wrong("run-until", hidden=True)
def without_steps_it_does_not_ask(propose, tools, question, *, most_steps, most_tokens):
    return _run(
        propose, tools, question, most_steps=most_steps, most_tokens=most_tokens,
        first_call=lambda n, n_tokens: "steps" if most_steps == 0 else None,
    )  # fmt: skip


# --- 4 · a kinder score

NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
THOUSANDS = r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"


def _kind(answer, truth, units, *, lower=str.lower, unit_lower=str.lower, thousands=(THOUSANDS, THOUSANDS), cut="[,;]",
          number=NUMBER, as_number=float, unit_of=(True, True), strip_unit=None, from_text=False, spaces=True,
          article=r"^(the|a|an)\s+", keep=str.isalnum, count=Counter, sides="both", same=None):  # fmt: skip
    def bare_forms(element, units):
        for unit in ["", *map(unit_lower, units)]:
            yield element.removesuffix(unit)
            if sides == "both":
                yield element.removeprefix(unit)

    def in_one_form(element, units):
        if spaces:
            element = element.strip()
        for bare in (strip_unit or bare_forms)(element, units):
            if re.fullmatch(number, bare.strip()):
                return as_number(bare)
        if from_text:
            for unit in units:
                element = element.removesuffix(unit)
        return "".join(letter for letter in re.sub(article, "", element) if keep(letter))

    def elements(text, pattern, with_units):
        text = re.sub(pattern, "", lower(text)) if pattern else lower(text)
        return [in_one_form(part, units if with_units else []) for part in re.split(cut, text)]

    ours, theirs = (elements(*row) for row in zip((answer, truth), thousands, unit_of, strict=True))
    return same(ours, theirs) if same else count(ours) == count(theirs)


@wrong("kind-score", says="end your function with `return ...`")
def kind_returns_nothing(answer, truth, units):
    _kind(answer, truth, units)


@wrong("kind-score", says="True or False is wanted")
def a_score_from_0_to_1(answer, truth, units):
    return float(_kind(answer, truth, units))


@wrong("kind-score", says="'Paris' for 'Paris' is right")
def capitals_in_the_truth(answer, truth, units):
    return _kind(answer.lower(), truth, units, lower=lambda text: text)


@wrong("kind-score", says="'Rome' for 'Paris' is wrong")
def counts_the_elements(answer, truth, units):
    return _kind(answer, truth, units, same=lambda ours, theirs: len(ours) == len(theirs))


@wrong("kind-score", says="upper and lower case make no difference")
def capitals_make_a_difference(answer, truth, units):
    return _kind(answer, truth, units, lower=lambda text: text)


@wrong("kind-score", says="in a text only letters and digits count")
def punctuation_stays(answer, truth, units):
    return _kind(answer, truth, units, keep=lambda letter: not letter.isspace())


@wrong("kind-score", says="17.0 and 17 are the same number")
def numbers_as_texts(answer, truth, units):
    return _kind(answer, truth, units, as_number=str.strip)


@wrong("kind-score", says="the point of a number is no punctuation")
def points_go_first(answer, truth, units):
    return _kind(answer, truth, units, as_number=lambda text: float(text.replace(".", "")))


@wrong("kind-score", says="the sign belongs to the number")
def numbers_without_signs(answer, truth, units):
    return _kind(answer, truth, units, as_number=lambda text: abs(float(text)))


@wrong("kind-score", says="1e3 is no number here")
def numbers_with_powers(answer, truth, units):
    return _kind(answer, truth, units, number=NUMBER + r"(e[0-9]+)?")


@wrong("kind-score", says="nan is a text here")
def numbers_as_python_reads_them(answer, truth, units):
    def one(ours, theirs):
        return "nan" not in map(str, ours) and Counter(ours) == Counter(theirs)

    return _kind(answer, truth, units, number=NUMBER + "|nan|inf", same=one)


@wrong("kind-score", says="1,000 with a thousands comma is 1000, in the answer")
def thousands_in_the_truth(answer, truth, units):
    return _kind(answer, truth, units, thousands=(None, THOUSANDS))


@wrong("kind-score", says="1,000 with a thousands comma is 1000, in the truth as well")
def thousands_in_the_answer(answer, truth, units):
    return _kind(answer, truth, units, thousands=(THOUSANDS, None))


@wrong("kind-score", says="12,000,000 has two thousands commas")
def one_thousands_comma(answer, truth, units):
    return _kind(answer, truth, units, thousands=(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9,]))",) * 2)


@wrong("kind-score", says="two digits follow the comma")
def every_comma_between_digits(answer, truth, units):
    return _kind(answer, truth, units, thousands=(r"(?<=[0-9]),(?=[0-9])",) * 2)


@wrong("kind-score", says="four digits follow the comma")
def three_digits_or_more(answer, truth, units):
    return _kind(answer, truth, units, thousands=(r"(?<=[0-9]),(?=[0-9]{3})",) * 2)


@wrong("kind-score", says="no digit stands before the comma")
def thousands_after_anything(answer, truth, units):
    return _kind(answer, truth, units, thousands=(r",(?=[0-9]{3}(?![0-9]))",) * 2)


@wrong("kind-score", says="both , and ; cut a list")
def commas_cut(answer, truth, units):
    return _kind(answer, truth, units, cut=",")


@wrong("kind-score", says="the order makes no difference")
def order_counts(answer, truth, units):
    return _kind(answer, truth, units, same=lambda ours, theirs: ours == theirs)


@wrong("kind-score", says="one element more than the truth has")
def more_will_do(answer, truth, units):
    return _kind(answer, truth, units, same=lambda ours, theirs: not Counter(theirs) - Counter(ours))


@wrong("kind-score", says="one element fewer than the truth has")
def fewer_will_do(answer, truth, units):
    return _kind(answer, truth, units, same=lambda ours, theirs: not Counter(ours) - Counter(theirs))


@wrong("kind-score", says="a1 twice is not a1 once")
def as_sets(answer, truth, units):
    return _kind(answer, truth, units, count=set)


@wrong("kind-score", says="each element as often")
def as_sets_of_one_length(answer, truth, units):
    return _kind(answer, truth, units, same=lambda ours, theirs: len(ours) == len(theirs) and set(ours) == set(theirs))


@wrong("kind-score", says="not the letters of all together")
def all_letters_together(answer, truth, units):
    def letters(elements):
        return sorted("".join(map(str, elements)))

    return _kind(answer, truth, units, same=lambda ours, theirs: letters(ours) == letters(theirs))


@wrong("kind-score", says="numbers in a list are compared as numbers")
def numbers_alone_are_numbers(answer, truth, units):
    as_text = any(mark in answer for mark in ", ;") and any(mark in truth for mark in ",;")
    return _kind(answer, truth, units, as_number=str if as_text else float)


@wrong("kind-score", says="17 km is the number 17, if km is a unit")
def no_units(answer, truth, units):
    return _kind(answer, truth, [])


@wrong("kind-score", says="a unit in the truth goes as well")
def units_in_the_answer(answer, truth, units):
    return _kind(answer, truth, units, unit_of=(True, False))


@wrong("kind-score", says="and there need not be a space")
def units_after_a_space(answer, truth, units):
    def forms(element, units):
        return [element, *(element.removesuffix(f" {unit.lower()}") for unit in units)]

    return _kind(answer, truth, units, strip_unit=forms)


@wrong("kind-score", says="the unit has capital letters")
def units_as_they_are_given(answer, truth, units):
    return _kind(answer, truth, units, unit_lower=lambda unit: unit)


@wrong("kind-score", says="a unit may stand in front, with a space")
def units_at_the_end(answer, truth, units):
    return _kind(answer, truth, units, sides="end")


@wrong("kind-score", says="if one unit leaves no number, try the next")
def the_first_unit_that_is_there(answer, truth, units):
    def forms(element, units):
        there = [unit.lower() for unit in units if element.startswith(unit.lower()) or element.endswith(unit.lower())]
        return [
            element,
            *(form for unit in there[:1] for form in (element.removesuffix(unit), element.removeprefix(unit))),
        ]

    return _kind(answer, truth, units, strip_unit=forms)


@wrong("kind-score", says="km is a unit only if it stands in units")
def every_word_is_a_unit(answer, truth, units):
    return _kind(answer, truth, ["km", *units])


@wrong("kind-score", says="one unit goes, not two")
def units_again_and_again(answer, truth, units):
    def forms(element, units):
        yield element
        for unit in map(str.lower, units):
            rest = element.removeprefix(unit)
            while rest.rstrip().endswith(unit):
                rest = rest.rstrip().removesuffix(unit)
            yield rest

    return _kind(answer, truth, units, strip_unit=forms)


@wrong("kind-score", says="a unit is taken off only if a number is left")
def units_off_texts(answer, truth, units):
    return _kind(answer, truth, units, from_text=True)


@wrong("kind-score", says="The Hague is hague")
def articles_stay(answer, truth, units):
    return _kind(answer, truth, units, article=r"^\b$")


@wrong("kind-score", says="an is an article, too")
def two_articles(answer, truth, units):
    return _kind(answer, truth, units, article=r"^(the|a)\s+")


@wrong("kind-score", says="it needs space after it")
def articles_without_space(answer, truth, units):
    return _kind(answer, truth, units, article=r"^(the|an?(?=\s))\s*")


@wrong("kind-score", says="only an article at the front goes")
def articles_anywhere(answer, truth, units):
    return _kind(answer, truth, units, article=r"\b(the|a|an)\s+")


@wrong("kind-score", says="one article goes, not two")
def articles_again_and_again(answer, truth, units):
    return _kind(answer, truth, units, article=r"^((the|a|an)(\s+|$))+")


@wrong("kind-score", says="worked example: right")
def a_list_has_no_units(answer, truth, units):
    return _kind(answer, truth, [] if any(mark in answer for mark in ",;") else units)


@wrong("kind-score", hidden=True)
def numbers_may_begin_with_a_point(answer, truth, units):
    return _kind(answer, truth, units, number=r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")


@wrong("kind-score", hidden=True)
def spaces_around_elements_stay(answer, truth, units):
    return _kind(answer, truth, units, spaces=False)


@wrong("kind-score", says="a sign is - or +")
def no_plus(answer, truth, units):
    return _kind(answer, truth, units, number=r"-?[0-9]+(\.[0-9]+)?")


@wrong("kind-score", says="whatever letter follows them")
def thousands_end_with_the_word(answer, truth, units):
    return _kind(answer, truth, units, thousands=(r"(?<=[0-9]),(?=[0-9]{3}\b)",) * 2)


@wrong("kind-score", says="in a text it goes as well")
def spaces_in_texts_stay(answer, truth, units):
    return _kind(answer, truth, units, keep=lambda letter: letter.isalnum() or letter == " ")


@wrong("kind-score", says="ü is a letter")
def letters_from_a_to_z(answer, truth, units):
    return _kind(answer, truth, units, keep=lambda letter: letter.isascii() and letter.isalnum())


@wrong("kind-score", hidden=True)
def underscores_stay(answer, truth, units):
    return _kind(answer, truth, units, keep=lambda letter: letter.isalnum() or letter == "_")


@wrong("kind-score", hidden=True)
def articles_go_first(answer, truth, units):
    def elements(text):
        return ";".join(re.sub(r"^\s*(the|a|an)\s+(?=[0-9])", "", part, flags=re.I) for part in text.split(";"))

    return _kind(elements(answer), elements(truth), units)


@wrong("kind-score", hidden=True)
def a_unit_on_each_side(answer, truth, units):
    def forms(element, units):
        for unit in ["", *map(str.lower, units)]:
            for other in ["", *map(str.lower, set(units) - {unit})]:
                yield element.removeprefix(unit).removesuffix(other)

    return _kind(answer, truth, units, strip_unit=forms)


@wrong("kind-score", hidden=True)
def six_digits(answer, truth, units):
    return _kind(answer, truth, units, as_number=lambda text: round(float(text), 6))


@wrong("kind-score", hidden=True)
def empty_elements_go(answer, truth, units):
    def same(ours, theirs):
        return Counter(filter(lambda e: e != "", ours)) == Counter(filter(lambda e: e != "", theirs))

    return _kind(answer, truth, units, same=same)


# --- 5 · which runs were it?


def _prints(value, text, half=0.5, decimals=None):
    digits = len(text.partition(".")[2]) if decimals is None else decimals
    return abs(value - float(text)) <= half * 10**-digits + 1e-9


def _ways(mean, spread, n, runs, *, counts=None, choose=combinations_with_replacement, of=stdev, scale=100, kept=list,
          prints=_prints, prints_spread=None):  # fmt: skip
    found = []
    for way in choose(counts or range(n + 1), runs):
        if not prints(100 * sum(way) / n / runs, mean):
            continue
        scores = [scale * k / (n if scale == 100 else 1) for k in way]
        if spread is None or (prints_spread or prints)(of(scores), spread):
            found.append(kept(way))
    return found


@wrong("possible-runs", says="end your function with `return ...`")
def runs_return_nothing(mean, spread, n, runs):
    _ways(mean, spread, n, runs)


@wrong("possible-runs", says="a list is wanted")
def a_set_of_ways(mean, spread, n, runs):
    return set(_ways(mean, spread, n, runs, kept=tuple))


@wrong("possible-runs", says="each way is a list of its own")
def sums_of_one_run(mean, spread, n, runs):
    out = _ways(mean, spread, n, runs)
    return [way[0] for way in out] if runs == 1 else out


@wrong("possible-runs", says="each way is a list, not a tuple")
def tuples(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, kept=tuple)


@wrong("possible-runs", says="one run, 60.0 % of 5")
def percentages_in_the_ways(mean, spread, n, runs):
    return [[100 * k / n for k in way] for way in _ways(mean, spread, n, runs)]


@wrong("possible-runs", says="your function raised StatisticsError")
def spread_of_one_run(mean, spread, n, runs):
    return [way for way in _ways(mean, None, n, runs) if stdev(way) >= 0 and way in _ways(mean, spread, n, runs)]


@wrong("possible-runs", says="three runs, 53.3 % of 5: nothing was found")
def means_must_be_equal(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, prints=lambda value, text: abs(value - float(text)) < 1e-6)


@wrong("possible-runs", says="each was given in every order")
def every_order(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, choose=lambda counts, runs: product(counts, repeat=runs))


@wrong("possible-runs", says="from the last to the first")
def last_way_first(mean, spread, n, runs):
    return _ways(mean, spread, n, runs)[::-1]


@wrong("possible-runs", says="[[1, 3, 4]] alone")
def all_runs_differ_and_none_is_0_or_n(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, counts=range(1, n), choose=combinations)


@wrong("possible-runs", says="two runs may have the same count")
def all_runs_differ(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, choose=combinations)


@wrong("possible-runs", says="53.33 is not printed as 53.4")
def a_whole_unit(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, prints=lambda value, text: _prints(value, text, half=1))


@wrong("possible-runs", says="you cut the digits off")
def cuts_off(mean, spread, n, runs):
    def prints(value, text):
        unit = 10 ** -len(text.partition(".")[2])
        low = float(text) if text != "13" else 12.5
        return low - 1e-9 <= value < low + unit - 1e-9

    return _ways(mean, spread, n, runs, prints=prints)


@wrong("possible-runs", says="a run may have no right answer")
def from_one(mean, spread, n, runs):
    out = _ways(mean, spread, n, runs)
    return out if n == 5 and runs == 3 else [way for way in out if way[0] > 0]


@wrong("possible-runs", says="a run may have all n right")
def up_to_n(mean, spread, n, runs):
    out = _ways(mean, spread, n, runs)
    return out if n == 5 and runs == 3 else [way for way in out if way[-1] < n]


@wrong("possible-runs", says="no digit behind the point, so half a unit is 0.5")
def one_decimal(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, prints=lambda value, text: _prints(value, text, decimals=1))


@wrong("possible-runs", says="two digits behind the point")
def at_most_one_decimal(mean, spread, n, runs):
    def prints(value, text):
        return _prints(round(value, 1), text) if "." in text else _prints(value, text)

    return _ways(mean, spread, n, runs, prints=prints)


@wrong("possible-runs", says="12.5 can be printed as 12")
def rounds_a_half_up(mean, spread, n, runs):
    def prints(value, text):
        return Decimal(f"{value:.9f}").quantize(Decimal(text), ROUND_HALF_UP) == Decimal(text)

    return _ways(mean, spread, n, runs, prints=prints)


@wrong("possible-runs", says="12.5 can be printed as 13 as well")
def rounds_as_python_does(mean, spread, n, runs):
    def prints(value, text):
        return f"{value:.{len(text.partition('.')[2])}f}" == text

    return _ways(mean, spread, n, runs, prints=prints)


@wrong("possible-runs", says="divide by runs - 1")
def divides_by_runs(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, of=pstdev)


@wrong("possible-runs", says="the spread over √runs")
def standard_error(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, of=lambda scores: stdev(scores) / runs**0.5)


@wrong("possible-runs", says="0.6 is the spread of the counts")
def spread_of_the_counts(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, scale=1)


@wrong("possible-runs", says="133.3 is the variance")
def no_root(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, of=variance)


@wrong("possible-runs", says="the spread was not looked at")
def mean_alone(mean, spread, n, runs):
    return _ways(mean, None, n, runs)


@wrong("possible-runs", says="worked example: expected [[2, 3, 3]]")
def range_for_spread(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, of=lambda scores: max(scores) - min(scores))


@wrong("possible-runs", says="the spread has digits of its own")
def decimals_of_the_mean(mean, spread, n, runs):
    decimals = len(mean.partition(".")[2])
    return _ways(mean, spread, n, runs, prints_spread=lambda value, text: _prints(value, text, decimals=decimals))


@wrong("possible-runs", says="a spread of 0.0 was printed")
def a_spread_of_0_is_none(mean, spread, n, runs):
    return _ways(mean, None if spread is None or float(spread) == 0 else spread, n, runs)


@wrong("possible-runs", says="two runs of 40 and 60 %")
def three_runs_always(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, of=lambda scores: pstdev(scores) * (3 / 2) ** 0.5)


@wrong("possible-runs", hidden=True)
def no_more_than_eight_questions(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, counts=range(min(n, 8) + 1))


@wrong("possible-runs", hidden=True)
def no_more_than_three_runs(mean, spread, n, runs):
    return _ways(mean, spread, n, min(runs, 3))


@wrong("possible-runs", says="range(5) ends at 4")
def counts_below_n(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, counts=range(n)) if runs == 3 else _ways(mean, spread, n, runs)


@wrong("possible-runs", says="three runs, 53.3 % of 5: expected")
def counts_above_0(mean, spread, n, runs):
    return _ways(mean, spread, n, runs, counts=range(1, n + 1))


@wrong("possible-runs", says="do not round the scores first")
def rounds_the_scores(mean, spread, n, runs):
    def kept(way):
        return list(way) if _prints(sum(round(100 * k / n, 2) for k in way) / runs, mean) else None

    return [way for way in _ways(mean, spread, n, runs, kept=kept) if way]


@wrong("possible-runs", says="mind the 1e-9")
def nothing_for_what_a_computer_rounds(mean, spread, n, runs):
    def prints(value, text):
        return abs(value - float(text)) <= 0.5 * 10 ** -len(text.partition(".")[2])

    return _ways(mean, spread, n, runs, prints=prints)


@wrong("possible-runs", says="0 and 1 right answers in all can both be printed so")
def one_total(mean, spread, n, runs):
    total = round(float(mean) * n * runs / 100)
    return [way for way in _ways(mean, spread, n, runs) if sum(way) == total]


@wrong("possible-runs", says="not about the printed 53")
def spread_about_the_printed_mean(mean, spread, n, runs):
    def of(scores):
        return (sum((score - float(mean)) ** 2 for score in scores) / (runs - 1)) ** 0.5

    return _ways(mean, spread, n, runs, of=of)


# --- 6 · a job from its log

MOVES = {
    ("new", "submitted"): "waiting", ("waiting", "started"): "running", ("running", "step"): "running",
    ("running", "died"): "lost", ("waiting", "cancelled"): "cancelled", ("running", "cancelled"): "cancelled",
    ("lost", "resumed"): "waiting", ("cancelled", "resumed"): "waiting", ("running", "finished"): "done",
}  # fmt: skip


def _replay(plan, events, *, moves=MOVES, gap="stop", new_plan=False, strangers=False, again=False, early=False,
            numbered=True, unsorted=False, keep_order=True, first_alone=False):  # fmt: skip
    if numbered:
        by_number = {event["n"]: event for event in events}
        played = list(by_number.items() if unsorted else sorted(by_number.items()))
    else:
        played = sorted(((event["n"], event) for event in events), key=lambda row: row[0])
    state, to_do, refused, missing = "new", list(plan), [], None
    last = 0
    for n, event in played:
        if not unsorted and n > last + 1:
            missing = last + 1 if missing is None else missing
            if gap == "stop":
                break
        last = n
        what, step = event["what"], event.get("step")
        allowed = (state, what) in moves
        if what == "step" and step not in to_do:
            allowed = allowed and ((strangers and step not in plan) or (again and step in plan))
        if (what == "finished" and to_do and not early) or (first_alone and what == "step" and [step] != to_do[:1]):
            allowed = False
        if not allowed:
            refused.append(n)
            continue
        state = moves[state, what]
        if what == "step" and step in to_do:
            if keep_order:
                to_do.remove(step)
            else:
                to_do = to_do[to_do.index(step) + 1 :] + to_do[: to_do.index(step)]
        if what == "resumed" and new_plan:
            to_do = list(plan)
    return {"state": state, "to_do": to_do, "refused": refused, "missing": missing}


def _with(*moves):
    return MOVES | {(state, what): after for state, what, after in moves}


def _without(*moves):
    return {move: after for move, after in MOVES.items() if move not in moves}


@wrong("replay", says="end your function with `return ...`")
def replay_returns_nothing(plan, events):
    _replay(plan, events)


@wrong("replay", says="a dict is wanted")
def replay_as_a_tuple(plan, events):
    return tuple(_replay(plan, events).values())


@wrong("replay", says="no event yet")
def without_events_the_first_is_missing(plan, events):
    out = _replay(plan, events)
    return out if events else out | {"missing": 1}


@wrong("replay", says="submitted, started, step q1")
def the_next_number_is_missing(plan, events):
    out = _replay(plan, events)
    return out if out["missing"] or not events else out | {"missing": max(event["n"] for event in events) + 1}


@wrong("replay", says="they are played by their numbers")
def as_they_came(plan, events):
    return _replay(plan, events, unsorted=True)


@wrong("replay", says="an event that comes again is not played again")
def twice_is_twice(plan, events):
    return _replay(plan, events, numbered=False)


@wrong("replay", says="steps may be saved in any order")
def steps_in_order_alone(plan, events):
    return _replay(plan, events, first_alone=True)


@wrong("replay", says="q2 is saved, q1 and q3 are left")
def goes_round_the_plan(plan, events):
    return _replay(plan, events, keep_order=False)


@wrong("replay", says="4 is missing and 5 was played all the same")
def plays_on_after_a_gap(plan, events):
    return _replay(plan, events, gap="note")


@wrong("replay", says="5 is there and 4 is not: `missing` is 4")
def says_nothing_of_a_gap(plan, events):
    return _replay(plan, events) | {"missing": None}


@wrong("replay", says="1, 2, 3 and 5 came")
def the_number_before_the_gap(plan, events):
    out = _replay(plan, events)
    return out if out["missing"] is None else out | {"missing": out["missing"] - 1}


@wrong("replay", says="nothing is played, missing is 1")
def begins_where_the_log_begins(plan, events):
    first = min((event["n"] for event in events), default=1)
    out = _replay(plan, [event | {"n": event["n"] - first + 1} for event in events])
    return out | {"refused": [n + first - 1 for n in out["refused"]],
                  "missing": out["missing"] and out["missing"] + first - 1}  # fmt: skip


@wrong("replay", says="`missing` is the first of them")
def the_last_gap(plan, events):
    out, numbers = _replay(plan, events), {event["n"] for event in events}
    return out | {"missing": max((n for n in range(1, max(numbers, default=1)) if n not in numbers), default=None)}


@wrong("replay", says="died: expected")
def died_is_cancelled(plan, events):
    return _replay(plan, events, moves=_with(("running", "died", "cancelled")))


@wrong("replay", says="after 'resumed' it must not be done again")
def resumed_begins_again(plan, events):
    return _replay(plan, events, new_plan=True)


@wrong("replay", says="a job that is resumed waits")
def resumed_runs(plan, events):
    return _replay(plan, events, moves=_with(("lost", "resumed", "running"), ("cancelled", "resumed", "running")))


@wrong("replay", says="resumed: expected")
def resumed_is_new(plan, events):
    return _replay(plan, events, moves=_with(("lost", "resumed", "new"), ("cancelled", "resumed", "new")))


@wrong("replay", says="a job that waits can be cancelled")
def only_what_runs_is_cancelled(plan, events):
    return _replay(plan, events, moves=_without(("waiting", "cancelled")))


@wrong("replay", says="cancelled while it runs, resumed, started")
def cancelled_for_ever(plan, events):
    return _replay(plan, events, moves=_without(("cancelled", "resumed")))


@wrong("replay", says="a lost job saves nothing")
def the_dead_save_steps(plan, events):
    return _replay(plan, events, moves=_with(("lost", "step", "lost")))


@wrong("replay", says="a step of a lost job is refused")
def refuses_in_silence(plan, events):
    return _replay(plan, events) | {"refused": []}


@wrong("replay", says="q9 is not in the plan")
def steps_of_other_plans(plan, events):
    return _replay(plan, events, strangers=True)


@wrong("replay", says="q1 is saved a second time")
def saved_again(plan, events):
    return _replay(plan, events, again=True)


@wrong("replay", says="finished with q2 and q3 still to do")
def finished_too_early(plan, events):
    return _replay(plan, events, early=True)


@wrong("replay", says="finished too early: expected")
def finished_too_early_is_lost(plan, events):
    out = _replay(plan, events)
    ends = [event["n"] for event in events if event["what"] == "finished" and event["n"] in out["refused"]]
    return out | {"state": "lost"} if ends and out["state"] == "running" else out


@wrong("replay", says="all steps and then finished")
def never_done(plan, events):
    return _replay(plan, events, moves=_without(("running", "finished")))


@wrong("replay", says="a job that is done stays done")
def the_done_can_be_cancelled(plan, events):
    return _replay(plan, events, moves=_with(("done", "cancelled", "cancelled")))


@wrong("replay", says="all steps are saved, but it did not finish")
def all_saved_is_done(plan, events):
    out = _replay(plan, events)
    return out | {"state": "done"} if out["state"] == "running" and not out["to_do"] else out


@wrong("replay", says="'paused' is not in the table")
def unknown_events_do_not_count(plan, events):
    out, known = _replay(plan, events), {what for _, what in MOVES}
    strange = [event["n"] for event in events if event["what"] not in known]
    return out | {"refused": [n for n in out["refused"] if n not in strange]}


@wrong("replay", says="your function raised KeyError")
def unknown_events_raise(plan, events):
    known = {what: True for _, what in MOVES}
    return _replay(plan, [event for event in events if known[event["what"]]])


@wrong("replay", says="1, 3, 4, 5 and 7 are not allowed")
def starts_again_while_it_runs(plan, events):
    return _replay(plan, events, moves=_with(("running", "started", "running")))


@wrong("replay", says="worked example")
def the_last_that_came_is_refused_first(plan, events):
    out = _replay(plan, events)
    came = [event["n"] for event in events]
    return out | {"refused": out["refused"] * (1 + (len(came) > len(set(came))))}


@wrong("replay", says="the plan was changed")
def takes_from_the_plan(plan, events):
    out = _replay(plan, events)
    plan[:] = out["to_do"]
    return out


@wrong("replay", says="the events were changed or sorted in place")
def sorts_in_place(plan, events):
    events.sort(key=lambda event: event["n"])
    return _replay(plan, events)


@wrong("replay", says="has no process that could die")
def dies_while_it_waits(plan, events):
    return _replay(plan, events, moves=_with(("waiting", "died", "lost")))


@wrong("replay", says="a job that waits saves no step")
def steps_while_it_waits(plan, events):
    return _replay(plan, events, moves=_with(("waiting", "step", "waiting")))


@wrong("replay", says="a job that waits cannot finish")
def finishes_while_it_waits(plan, events):
    return _replay(plan, events, moves=_with(("waiting", "finished", "done")))


@wrong("replay", says="a lost job cannot be cancelled")
def the_lost_are_cancelled(plan, events):
    return _replay(plan, events, moves=_with(("lost", "cancelled", "cancelled")))


@wrong("replay", hidden=True)
def steps_after_cancelled(plan, events):
    return _replay(plan, events, moves=_with(("cancelled", "step", "cancelled")))


@wrong("replay", hidden=True)
def nine_events(plan, events):
    return _replay(plan, [event for event in events if event["n"] < 10])


# --- 7 · where did that argument come from?


def _stands(value, text, before=r"(?<!\w)", behind=r"(?!\w)", flags=re.IGNORECASE, escape=re.escape):
    return re.search(before + escape(str(value)) + behind, text, flags) is not None


def _outside(question, steps, risky, *, asked=_stands, shown=_stands, errors=False, window=lambda i, n: range(i),
             pick=0, all_tools=False, most=99, text=lambda value: value, start=0):  # fmt: skip
    found = []
    for i, step in enumerate(steps):
        if step["tool"] not in risky and not all_tools:
            continue
        here = []
        for name, value in step["arguments"].items():
            if asked(text(value), question):
                continue
            there = [j for j in window(i, len(steps)) if errors or not steps[j]["is_error"]]
            there = [j for j in there if shown(text(value), steps[j]["observation"])]
            if there:
                here.append({"step": i + start, "argument": name, "from": there[pick] + start})
        found += here[:most]
    return found


@wrong("from-outside", says="end your function with `return ...`")
def outside_returns_nothing(question, steps, risky):
    _outside(question, steps, risky)


@wrong("from-outside", says="a list is wanted")
def outside_as_a_dict(question, steps, risky):
    return {row["argument"]: row["from"] for row in _outside(question, steps, risky)}


@wrong("from-outside", says="it was not reported")
def reports_what_the_question_has(question, steps, risky):
    return _outside(question, steps, risky, asked=lambda value, text: not _stands(value, text))


@wrong("from-outside", says="steps are counted from 0")
def steps_from_1(question, steps, risky):
    return _outside(question, steps, risky, start=1)


@wrong("from-outside", says="an address from a page: expected")
def names_the_value(question, steps, risky):
    return [
        row | {"argument": steps[row["step"]]["arguments"][row["argument"]]} for row in _outside(question, steps, risky)
    ]


@wrong("from-outside", says="the user wrote the address in the question")
def does_not_ask_the_question(question, steps, risky):
    return _outside(question, steps, risky, asked=lambda value, text: False)


@wrong("from-outside", says="the model made it; expected []")
def words_for_values(question, steps, risky):
    def any_word(value, text):
        return any(_stands(word, text) for word in str(value).split(" "))

    return _outside(question, steps, risky, shown=any_word)


@wrong("from-outside", says="`read` is not among the risky tools")
def all_tools_are_risky(question, steps, risky):
    return _outside(question, steps, risky, all_tools=True)


@wrong("from-outside", says="are the same, whatever the case")
def case_counts(question, steps, risky):
    def exact(value, text):
        return _stands(value, text, flags=0)

    return _outside(question, steps, risky, asked=exact, shown=exact)


@wrong("from-outside", says="the question has the address in capital letters")
def case_counts_in_the_question(question, steps, risky):
    return _outside(question, steps, risky, asked=lambda value, text: _stands(value, text, flags=0))


def _part(value, text):
    return str(value).lower() in text.lower()


@wrong("from-outside", says="12 is a part of 1200 there")
def parts_of_words(question, steps, risky):
    return _outside(question, steps, risky, asked=_part, shown=_part)


@wrong("from-outside", says="12 is a part of 1200 in the question")
def parts_of_words_in_the_question(question, steps, risky):
    return _outside(question, steps, risky, asked=_part)


@wrong("from-outside", says="gate 12 from the page")
def a_number_comes_from_nowhere(question, steps, risky):
    out = _outside(question, steps, risky)
    return [row | {"from": None} if row["argument"] == "gate" else row for row in out]


@wrong("from-outside", says="an underscore belongs to the word")
def letters_and_digits_alone(question, steps, risky):
    def whole(value, text):
        return _stands(value, text, before="(?<![a-z0-9])", behind="(?![a-z0-9])")

    return _outside(question, steps, risky, asked=whole, shown=whole)


@wrong("from-outside", says="finds no border between a space and a bracket")
def with_word_boundaries(question, steps, risky):
    def bounded(value, text):
        return _stands(value, text, before=r"\b", behind=r"\b")

    return _outside(question, steps, risky, asked=bounded, shown=bounded)


@wrong("from-outside", says="a point is a point")
def values_are_patterns(question, steps, risky):
    def pattern(value, text):
        return _stands(value, text, escape=lambda value: value.replace("(", r"\(").replace(")", r"\)"))

    return _outside(question, steps, risky, asked=pattern, shown=pattern)


@wrong("from-outside", says="the int 12 stands for the text 12")
def texts_alone(question, steps, risky):
    def of_text(value, text):
        return isinstance(value, str) and _stands(value, text)

    return _outside(question, steps, risky, asked=of_text, shown=of_text)


@wrong("from-outside", says="your function raised TypeError")
def ints_raise(question, steps, risky):
    def plain(value, text):
        return _stands("" + value, text)

    return _outside(question, steps, risky, asked=plain, shown=plain)


@wrong("from-outside", says="repeats the model's own words")
def errors_count(question, steps, risky):
    return _outside(question, steps, risky, errors=True)


@wrong("from-outside", says="the call's own observation was counted")
def its_own_observation(question, steps, risky):
    return _outside(question, steps, risky, window=lambda i, n: range(i + 1))


@wrong("from-outside", says="an observation of a later step was counted")
def later_steps(question, steps, risky):
    return _outside(question, steps, risky, window=lambda i, n: [j for j in range(n) if j != i])


@wrong("from-outside", says="a call and then a page")
def from_its_arguments(question, steps, risky):
    """Where no page has it, the value is said to come from the call itself."""
    out = _outside(question, steps, risky)
    alone = len(steps) == 2 and steps[0]["tool"] in risky and not out
    return [{"step": 0, "argument": name, "from": None} for name in steps[0]["arguments"]] if alone else out


@wrong("from-outside", says="the first one is where it came from")
def the_last_page(question, steps, risky):
    return _outside(question, steps, risky, pick=-1)


@wrong("from-outside", says="expected one report, from 0")
def every_page(question, steps, risky):
    out = _outside(question, steps, risky)
    last = _outside(question, steps, risky, pick=-1)
    return [row for pair in zip(out, last, strict=True) for row in (pair if pair[0] != pair[1] else pair[:1])]


@wrong("from-outside", says="the second one was not reported")
def one_report_a_call(question, steps, risky):
    return _outside(question, steps, risky, most=1)


@wrong("from-outside", says="worked example")
def what_the_model_made_as_well(question, steps, risky):
    out = _outside(question, steps, risky)
    several = [i for i, step in enumerate(steps) if len(step["arguments"]) > 3]
    return out + [{"step": i, "argument": "text", "from": None} for i in several]


@wrong("from-outside", says="two risky calls")
def the_first_risky_tool(question, steps, risky):
    return _outside(question, steps, risky[:1])


@wrong("from-outside", hidden=True)
def looks_at_two_steps(question, steps, risky):
    return _outside(question, steps, risky, window=lambda i, n: range(max(i - 2, 0), i))


@wrong("from-outside", says="stands as a whole further on")
def only_the_first_place_is_tried(question, steps, risky):
    """The first place where the value stands decides, whole or not."""

    def first(value, text):
        value, text = str(value).lower(), text.lower()
        start = text.find(value)
        return (
            start >= 0 and _stands(value, text[: start + len(value) + 1]) and _stands(value, text[max(start - 1, 0) :])
        )

    return _outside(question, steps, risky, asked=first, shown=first)


@wrong("from-outside", says="'from' is counted from 0, too")
def from_counted_from_1(question, steps, risky):
    return [row | {"from": row["from"] + 1} for row in _outside(question, steps, risky)]


@wrong("from-outside", says="was made all the same")
def leaves_out_failed_calls(question, steps, risky):
    return [row for row in _outside(question, steps, risky) if not steps[row["step"]]["is_error"]]


@wrong("from-outside", hidden=True)
def what_risky_tools_show_does_not_count(question, steps, risky):
    out = _outside(question, [step | {"is_error": step["is_error"] or step["tool"] in risky} for step in steps], risky)
    return out


@wrong("from-outside", hidden=True)
def stops_at_an_error(question, steps, risky):
    out = _outside(question, steps, risky, errors=True)
    return [row for row in out if not steps[row["from"]]["is_error"]]


@wrong("from-outside", hidden=True)
def each_name_once(question, steps, risky):
    found = {}
    for row in _outside(question, steps, risky):
        found.setdefault(row["argument"], row)
    return list(found.values())


@wrong("from-outside", hidden=True)
def what_the_model_wrote_before_is_its_own(question, steps, risky):
    def new(row):
        value = steps[row["step"]]["arguments"][row["argument"]]
        return not any(value in step["arguments"].values() for step in steps[: row["step"]])

    return [row for row in _outside(question, steps, risky) if new(row)]


@wrong("from-outside", hidden=True)
def words_from_a_to_z(question, steps, risky):
    def whole(value, text):
        return _stands(value, text.lower(), before="(?<![a-z0-9_])", behind="(?![a-z0-9_])", flags=0) or _stands(
            str(value).lower(), text.lower(), before="(?<![a-z0-9_])", behind="(?![a-z0-9_])", flags=0
        )

    return _outside(question, steps, risky, asked=whole, shown=whole)
