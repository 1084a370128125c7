"""Whether a file has effects on Python beyond its values. A part of the program that begins in `script.py`."""

def _acts(names, modules):
    """Whether the file has effects on Python beyond its values: then workers have to be forked from the process that ran it."""
    own = set(sys.modules) - modules - {"__config__"}
    if any(name.partition(".")[0] not in STDLIB and not name.startswith(("gunicorn", "__")) for name in own):
        return True
    try:
        with open(names["__file__"], "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, KeyError, SyntaxError, TypeError, ValueError):
        return True
    return not all(_is_plain(one) for one in tree.body)


def _is_plain(statement):
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        named = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else [statement.module or ""]
        return all(name.partition(".")[0] in STDLIB for name in named)
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)):
        return not statement.decorator_list if hasattr(statement, "decorator_list") else True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) or _is_passed_on(statement.value) or all(_is_harmless(one, ON_DISK) for one in ast.walk(statement.value))
    if isinstance(statement, (ast.If, ast.Try, ast.For, ast.With)):
        parts = [*statement.body, *getattr(statement, "orelse", []), *getattr(statement, "finalbody", [])]
        return all(map(_is_plain, parts + [one for handler in getattr(statement, "handlers", []) for one in handler.body]))
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    named = all(isinstance(one, (ast.Name, ast.Tuple)) or isinstance(one, ast.Subscript) and _is_passed_on(one) for one in targets)
    plain = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and named
    return plain and (statement.value is None or all(_is_harmless(one) for one in ast.walk(statement.value)))


def _is_passed_on(node):
    """A change of the environment or of the path, which workers get as data."""
    place = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else getattr(node, "value", None)
    return isinstance(place, ast.Attribute) and (getattr(place.value, "id", ""), place.attr) in (("os", "environ"), ("sys", "path"))


STDLIB = getattr(sys, "stdlib_module_names", frozenset())
# Calls that change files or print or log, but change nothing in Python.
ON_DISK = {"chmod", "close", "debug", "error", "info", "makedirs", "mkdir", "print", "remove", "rmtree", "touch", "unlink", "warning", "write", "write_text"}
# Calls without effects, that compute values.
HARMLESS = {
    "abs", "bool", "cpu_count", "dict", "environ", "exists", "float", "format", "frozenset", "get", "getcwd", "getenv", "gethostname", "getLogger", "getpid",
    "getpwuid", "getuid", "int", "isfile", "items", "join", "keys", "len", "list", "lower", "max", "min", "abspath", "basename", "dirname", "realpath", "normpath",
    "process_cpu_count", "range", "replace", "resolve", "round", "rstrip", "set", "sorted", "split", "str", "strip", "sum", "sched_getaffinity", "tuple", "upper", "values", "Path",
    "loads", "startswith", "endswith", "ceil", "floor", "any", "all", "bytes", "copy", "zip", "enumerate", "isdigit", "splitlines", "read", "read_text", "open",
}


def _is_harmless(node, also=frozenset()):
    if isinstance(node, ast.NamedExpr):
        return False
    if isinstance(node, ast.Call):
        called = node.func
        name = getattr(called, "attr", getattr(called, "id", None))
        return name in HARMLESS or name in also
    return True
