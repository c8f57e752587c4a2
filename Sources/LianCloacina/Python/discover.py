"""Reads a module's source on stdin and says in JSON which of its functions are tasks. It parses the source and never runs
it. Nothing here is newer than Python 3.8, and the version is looked at first."""
import json
import sys


def answer(**members):
    json.dump(dict(members, version=list(sys.version_info[:3])), sys.stdout)
    sys.exit(0)


if sys.version_info < (3, 8):
    answer(too_old=True)

import ast

BITS = 63


def literal(node):
    """The value's kind, and the value where JSON can hold it; the kind is null where the node is no literal."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {"kind": None}
    kind = type(value).__name__
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return {"kind": "str with half a surrogate pair"}
        return {"kind": kind, "value": value}
    if isinstance(value, bool) or value is None:
        return {"kind": kind}
    if isinstance(value, int):
        return {"kind": kind, "value": value} if -(2**BITS) <= value < 2**BITS else {"kind": "int of too many digits"}
    return {"kind": kind}


def dependencies(node):
    """Each element as the text or the name that it is, or as neither; otherwise what kind of value there is instead."""
    if not isinstance(node, (ast.List, ast.Tuple)):
        return literal(node)
    elements = []
    for element in node.elts:
        value = literal(element)
        if isinstance(element, ast.Name):
            elements.append({"name": element.id})
        elif value["kind"] == "str":
            elements.append({"text": value["value"]})
        else:
            elements.append({})
    return {"kind": "list", "elements": elements}


def is_task(node, names):
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Attribute) and node.attr == "task" or isinstance(node, ast.Name) and node.id in names


def task(function, names):
    decorator = next((each for each in function.decorator_list if is_task(each, names)), None)
    if decorator is None:
        return None
    is_call = isinstance(decorator, ast.Call)
    keywords = {}
    for keyword in decorator.keywords if is_call else []:
        if keyword.arg == "dependencies":
            keywords[keyword.arg] = dependencies(keyword.value)
        elif keyword.arg in ("id", "description", "retries", "retry_attempts", "timeout_seconds"):
            keywords[keyword.arg] = literal(keyword.value)
    return {
        "function": function.name,
        "line": function.lineno,
        "column": function.col_offset + 1,
        "is_async": isinstance(function, ast.AsyncFunctionDef),
        "is_bare": not is_call,
        "is_positional": is_call and (len(decorator.args) > 0 or any(each.arg is None for each in decorator.keywords)),
        "keywords": keywords,
    }


try:
    tree = ast.parse(sys.stdin.buffer.read())
except SyntaxError as error:
    message = str(error.msg).encode("utf-8", "backslashreplace").decode()
    answer(syntax_error={"message": message, "line": error.lineno or 1, "column": error.offset or 1})
except ValueError as error:
    answer(syntax_error={"message": str(error), "line": 1, "column": 1})
except (RecursionError, MemoryError):
    answer(syntax_error={"message": "it is nested too deep", "line": 1, "column": 1})

nodes = list(ast.walk(tree))
names = {"task"}
for node in nodes:
    if isinstance(node, ast.ImportFrom) and node.module == "cloaca" and node.level == 0:
        names.update(each.asname for each in node.names if each.name == "task" and each.asname)
functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
answer(tasks=[each for each in (task(function, names) for function in functions) if each])
