"""Submissions that do not answer the judge's calls with their functions but speak its protocol themselves.

Each replaces what the kernel is told to run at a test. Whatever it says is data to the judge: the exercises that it
answers for earn nothing, as no honest number is among the answers.
"""

from hostile import first, hostile

FORGE = """
import json, socket, struct, sys, threading, time
calls = sys.modules["race" + "course.grading.calls"]
wire = sys.modules["race" + "course.grading.wire"]
HANDLE = {"mine": [0, "function", True]}

def dict_of(**entries):
    return {"dict": [[name, value] for name, value in entries.items()]}

def frame(message, body=b"", lengths=None):
    head = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("!QQ", *(lengths or (len(head), len(body)))) + head + body

def names_in(message):
    return {"answer": dict_of(**{name: HANDLE for name in message.get("names", [])})}

def forge(reply, hands_out=True):
    def answer(address, token, namespace):
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
            connection.connect(address if isinstance(address, str) else tuple(address))
            connection.sendall(token.encode())
            try:
                while True:
                    message, tensors = wire.receive(connection)
                    if "stop" in message:
                        return
                    if message.get("do") == "fetch" and hands_out:
                        connection.sendall(frame(names_in(message)))
                    else:
                        reply(connection, message)
            except (EOFError, OSError):
                return
    calls.answer_calls = answer
    calls.serve = lambda connection, namespace: None

"""


def forge(notebook, code):
    first(notebook, FORGE.strip() + "\n\n" + code.strip())


@hostile(tries="gain points", layer="wire")
def says_that_the_test_passed(notebook):
    """Verdicts, points and stops instead of an answer."""
    forge(
        notebook,
        """
said = [{"error": "", "message": "", "share": 100.0}, {"stop": True}, {"answer": True, "passed": True, "points": 100},
        {"share": 100.0, "answer": 100.0}, {"answer": None, "error": None}]
forge(lambda connection, message: connection.sendall(frame(said[int(time.monotonic() * 1000) % len(said)])))
""",
    )


@hostile(tries="gain points", layer="wire")
def rewrites_the_tests_own_values(notebook):
    """Says that the call changed every argument, and that the answer is one of the test's own objects."""
    forge(
        notebook,
        """
def reply(connection, message):
    changed = [[n, {"list": []}] for n in range(-3, 3)] + [[n, {"dict": []}] for n in range(-3, 3)]
    connection.sendall(frame({"changed": changed, "is_given": 0, "answer": -1.0}))
forge(reply)
""",
    )


@hostile(tries="steal hidden tests", layer="wire")
def calls_the_tests_functions_back(notebook):
    """Asks the judge to call what it keeps, by every number and by names that it does not have."""
    forge(
        notebook,
        """
def reply(connection, message):
    for number in [*range(-2, 20), "eval", "__import__", None, [], {}, 1e300]:
        arguments = {"args": {"list": ["open('{SOLUTION}').read()"]}, "kwargs": {"dict": []}}
        connection.sendall(frame({"back": number, **arguments}))
        print(wire.receive(connection))
    connection.sendall(frame({"answer": -1.0}))
forge(reply)
""",
    )


@hostile(tries="hang the grader", layer="deadline")
def calls_back_for_ever(notebook):
    """Never an answer, always one more call of a function of the test's."""
    forge(
        notebook,
        """
def reply(connection, message):
    while True:
        connection.sendall(frame({"back": 0, "args": {"list": []}, "kwargs": {"dict": []}}))
        wire.receive(connection)
forge(reply)
""",
    )


@hostile(tries="read the judge's memory", layer="wire")
def a_scalar_of_a_handle(notebook):
    """A NumPy scalar made of a thing in this kernel, whose `__array_interface__` is an address in the judge.

    The judge and this kernel were forked from one process, so what lay there before lies at the same address.
    """
    forge(
        notebook,
        """
text = calls.__doc__  # made before the fork

def reply(connection, message):
    if message.get("operation") == "getattr":
        if message["args"]["list"][1] != "__array_interface__":
            connection.sendall(frame({"error": {"kind": "AttributeError", "bases": ["AttributeError"], "text": ""}}))
        else:
            there = dict_of(shape={"tuple": []}, typestr="<f8", data={"tuple": [id(text) + 48, True]}, version=3)
            connection.sendall(frame({"answer": there}))
    else:
        connection.sendall(frame({"answer": {"scalar": ["float64", {"mine": [1, "x", False]}]}}))
forge(reply)
""",
    )


@hostile(tries="kill the judge", layer="wire")
def a_scalar_of_a_handle_nowhere(notebook):
    """The same with an address at which there is nothing: the judge's process would end."""
    forge(
        notebook,
        """
def reply(connection, message):
    if message.get("operation") == "getattr":
        there = dict_of(shape={"tuple": [90]}, typestr="<f8", data={"tuple": [4096, True]}, version=3)
        connection.sendall(frame({"answer": there}))
    else:
        connection.sendall(frame({"answer": {"scalar": ["float64", {"mine": [1, "x", False]}]}}))
forge(reply)
""",
    )


@hostile(tries="kill the judge", layer="wire")
def random_states_that_make_no_sense(notebook):
    """With the name that the judge fetches comes a state of its generators: of a wrong kind, shape or length."""
    forge(
        notebook,
        """
states = [5, None, {"tuple": []}, {"list": [1, 2]}, {"tuple": [1, 2, 3, 4, 5, 6, 7, 8, 9]}, "x",
          {"mine": [0, "x", True]}]

def answer(connection, message):
    connection.sendall(frame(names_in(message) | {"random": states[int(time.monotonic() * 1000) % len(states)]}))
forge(answer, hands_out=False)
""",
    )


@hostile(tries="kill the judge", layer="wire")
def random_states_that_point_outside(notebook):
    """Positions in NumPy's and torch's generators far behind their end: the next number is read from other memory."""
    forge(
        notebook,
        """
import numpy, torch

def state():
    numbers = torch.get_rng_state()
    words = numbers.view(torch.int64)
    words[1], words[2] = (1 << 32) | 624, 624
    version, python, gauss = __import__("random").getstate()
    keys = torch.zeros(624, dtype=torch.int64)
    python = torch.tensor(python, dtype=torch.int64)
    tree = {"tuple": [{"tensor": 0}, {"array": 1}, version, gauss, "MT19937", {"array": 2}, 10**9, 0, 0.0]}
    return tree, [numbers, python, keys]

def answer(connection, message):
    tree, tensors = state()
    said = names_in(message) if message.get("do") == "fetch" else {"answer": -1.0}
    wire.send(connection, said | {"random": tree}, tensors)
forge(answer, hands_out=False)
""",
    )


@hostile(tries="exhaust the judge's memory", layer="wire")
def lengths_of_ten_gigabytes(notebook):
    """A frame that says it is 10 GB long, one of 2**64 - 1 bytes, one shorter than it is."""
    forge(
        notebook,
        """
import itertools
lengths = itertools.cycle([(10 * 2**30, 0), (0, 10 * 2**30), (2**64 - 1, 1), (2**64 - 1, 2**64 - 1), (0, 0), (2, 0)])
forge(lambda connection, message: connection.sendall(frame(b'{"answer": -1.0}' * 9, lengths=next(lengths))))
""",
    )


@hostile(tries="exhaust the judge's memory", layer="wire")
def a_small_text_for_a_large_tree(notebook):
    """300 MB of `[],[],[]`: each pair of brackets is 56 bytes once it is read."""
    forge(
        notebook,
        """
forge(lambda connection, message: connection.sendall(frame(b'{"answer": [' + b"[]," * 100_000_000 + b"[]]}")))
""",
    )


@hostile(tries="kill the judge", layer="wire")
def trees_that_no_writer_makes(notebook):
    """Deep JSON, NaN, unknown nodes, numbers out of range, references to what is not there, keys that have no hash."""
    forge(
        notebook,
        """
import itertools
trees = itertools.cycle([
    b'{"answer": ' + b'{"list": [' * 100_000 + b"]}" * 100_000 + b"}", b"[" * 1_000_000, b"",
    b"null", b"[]", b"\\xff\\xfe",
    b'{"answer": NaN}', b'{"answer": Infinity}', b'{"answer": 1e999}', b'{"answer": ' + b"9" * 100_000 + b"}",
    b'{"answer": {"same": 10}}', b'{"answer": {"same": -1}}', b'{"answer": {"tensor": 99}}', b'{"answer": {"list": 5}}',
    b'{"answer": {"dict": [[{"list": []}, 1]]}}', b'{"answer": {"size": [1e300]}}', b'{"answer": {"exec": "1/0"}}',
    b'{"answer": {"range": [0, 1000000000000000000, 1]}}', b'{"answer": {"device": "cuda:99"}}', b'{"changed": 5}',
    b'{"answer": {"bytes": "!"}}', b'{"answer": {"scalar": ["object", 1]}}', b'{"answer": {"array": 0}}',
    b'{"error": 5}',
    b'{"answer": -1.0, "graph": 7, "outputs": [9]}', b'{"answer": -1.0, "changed": [[99, 1]]}', b'{"is_given": 99}',
    b'{"answer": {"generator": 0}}', b'{"answer": {"mine": ["x", [], {}]}}', b'{"answer": {"mine": [1e999, "", 1]}}',
    b'{"answer": {"dtype": "object"}}', b'{"answer": "\\\\ud800"}',
    b'{"error": {"kind": "\\\\ud800", "bases": [], "text": "\\\\udfff"}}',
])
forge(lambda connection, message: connection.sendall(frame(next(trees))), hands_out=False)
""",
    )


@hostile(tries="kill the judge", layer="wire")
def tensors_that_are_none(notebook):
    """Headers of safetensors with lengths, offsets, shapes and types that contradict each other."""
    forge(
        notebook,
        """
import itertools

def block(header, data=b""):
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data

blocks = itertools.cycle([
    b"\\x00" * 8, b"\\xff" * 8, struct.pack("<Q", 2**63), block({}), block([]), b"{" * 100_000,
    block({"0": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 0]}}),
    block({"0": {"dtype": "F32", "shape": [4], "data_offsets": [0, 10**12]}}, b"\\x00" * 16),
    block({"0": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, b"\\x00" * 4),
    block({"0": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, b"\\x00" * 4),
    block({"0": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, b"\\x02\\x03\\xff\\x80"),
    block({"0": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]}}, b"\\x00" * 8),
    block({str(n): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(200_000)}),
])
forge(lambda connection, message: connection.sendall(frame({"answer": {"tensor": 0}}, next(blocks))))
""",
    )


@hostile(tries="hang the grader", layer="deadline")
def a_byte_at_a_time(notebook):
    """An answer that always goes on and never ends: each wait is short, all together are not."""
    forge(
        notebook,
        """
def reply(connection, message):
    connection.sendall(struct.pack("!QQ", 2**20, 0))
    while True:
        connection.sendall(b" ")
        time.sleep(0.2)
forge(reply)
""",
    )


@hostile(tries="hang the grader", layer="deadline")
def takes_the_call_and_says_nothing(notebook):
    """Connects, gives the token, reads nothing and keeps the connection; the cell ends at once."""
    forge(
        notebook,
        """
kept = []

def answer(address, token, namespace):
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    connection.connect(address if isinstance(address, str) else tuple(address))
    connection.sendall(token.encode())
    kept.append(connection)
calls.answer_calls = answer
""",
    )


@hostile(tries="hang the grader", layer="deadline")
def never_calls(notebook):
    """Does not connect to the judge, or with hundreds of connections that do not say the token."""
    forge(
        notebook,
        """
kept = []

def answer(address, token, namespace):
    for n in range(100):
        connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        connection.settimeout(0.1)
        try:
            connection.connect(address if isinstance(address, str) else tuple(address))
            connection.sendall(b"x" * (n % 40))
        except OSError:
            break
        kept.append(connection)
calls.answer_calls = answer
""",
    )


@hostile(tries="gain points", layer="wire")
def answers_for_the_judge(notebook):
    """Puts a socket of its own at the place where the judge listens, and takes the calls that are meant for it."""
    forge(
        notebook,
        """
import os

def answer(address, token, namespace):
    if not isinstance(address, str):
        return
    try:
        os.rename(address, address + "0")
    except OSError as error:
        print("rename:", error)
    own = socket.socket(socket.AF_UNIX)
    own.bind(address)
    own.listen(9)
    print("I listen in place of the judge", own)
    threading.Thread(target=lambda: [own.accept() for _ in range(9)], daemon=True).start()
    other = socket.socket(socket.AF_UNIX)
    other.connect(address + "0")
    other.sendall(token.encode())
    other.sendall(frame({"answer": -1.0}) * 50)
    time.sleep(1)
calls.answer_calls = answer
""",
    )


@hostile(tries="gain points", layer="wire")
def answers_before_it_is_asked(notebook):
    """A thread with the token of the first test, which it keeps: it is always the first to connect to the next."""
    forge(
        notebook,
        """
def eager(address, token, everything):
    while True:
        try:
            connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
            connection.connect(address if isinstance(address, str) else tuple(address))
            connection.sendall(token.encode() + frame(everything) + frame({"answer": -1.0}) * 20)
            while connection.recv(65536):
                pass
        except OSError:
            time.sleep(0.01)

def answer(address, token, namespace):
    everything = names_in({"names": list(namespace)})
    for _ in range(3):
        threading.Thread(target=eager, args=(address, token, everything), daemon=True).start()
    time.sleep(0.5)
calls.answer_calls = answer
""",
    )


@hostile(tries="read the judge's files", layer="wire")
def passes_files_along(notebook):
    """Open files, credentials and out-of-band data go with the bytes of an answer."""
    forge(
        notebook,
        """
def reply(connection, message):
    files = [open("/proc/self/status").fileno(), connection.fileno()] * 20
    socket.send_fds(connection, [frame({"answer": -1.0})], files)
forge(reply)
""",
    )


@hostile(tries="gain points", layer="wire")
def patches_reader_and_writer(notebook):
    """The functions that read and write frames, in this process, say what they like."""
    forge(
        notebook,
        """
wire.send = lambda connection, message, tensors: connection.sendall(frame({"answer": True}))
calls.send = wire.send
wire.receive = lambda connection: ({"stop": True}, {})
wire.Writer.tree = lambda self, value, depth=0: -1.0
wire.Reader.value = lambda self, tree: None
calls.Answers.result = lambda *_: -1.0
calls.remade = lambda said: None
""",
    )
