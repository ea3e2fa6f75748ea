"""Finds the entry function by reading the sources, without importing any of them."""

from __future__ import annotations

import ast
import os

from troupe_pod.errors import EntryError

WANTED = (
    "wanted func.py with main(params), or one module with handler(env) or handler(event, context), "
    "or a handler given as module.function"
)
DEFAULT_STYLES = {"main": "params", "handler": "env", "lambda_handler": "lambda"}
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
ARGUMENTS = {"params": 1, "env": 1, "lambda": 2}


def parse(directory: str, file: str) -> ast.Module:
    """Compiles too: `return` outside a function, for one, parses."""
    try:
        with open(os.path.join(directory, file), "rb") as source:
            text = source.read()
        tree = ast.parse(text, file)
        compile(text, file, "exec", dont_inherit=True)
        return tree
    except SyntaxError as error:
        raise EntryError("SyntaxError", f"{file} line {error.lineno}: {error.msg}", file, error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise EntryError("SyntaxError", f"{file}: {error or type(error).__name__}", file) from None
    except OSError as error:
        raise EntryError("SyntaxError", f"{file}: cannot be read: {error.strerror}", file) from None


def _top_level_nodes(tree: ast.Module):
    """The nodes that run when the module is imported: not those inside functions and classes."""
    waiting: list = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def _bindings(tree: ast.Module) -> dict:
    """Names bound at the top level; a function's name leads to its node, any other to None."""
    names: dict = {}
    for node in _top_level_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names[node.name] = node
        elif isinstance(node, ast.ClassDef):
            names.setdefault(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                names.setdefault(alias.asname or alias.name.split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.setdefault(node.id)
    return names


def _style(name: str, node, style: str | None, where: str) -> str:
    """The style given, or the one the function's parameters speak of; refuses a function that it cannot call."""
    if node is None:
        return style or DEFAULT_STYLES.get(name, "params")
    names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
    required = len(names) - len(node.args.defaults)
    most = 99 if node.args.vararg else len(names)
    needs_keywords = any(default is None for default in node.args.kw_defaults)
    if style is None:
        if name == "main":
            style = "params"
        elif len(names) >= 2:
            style = "lambda"
        else:
            style = "env" if name == "handler" or names == ["env"] else "params"
    count = ARGUMENTS[style]
    if needs_keywords or not required <= count <= most:
        found = f"({', '.join(names)}{', *' if needs_keywords else ''})"
        wanted = {"params": "(params)", "env": "(env)", "lambda": "(event, context)"}[style]
        raise EntryError("BadHandler", f"{where}: found {name}{found}, wanted {name}{wanted} for style {style}", where.split(" ")[0], node.lineno)
    return style


def _module_file(directory: str, module: str) -> str | None:
    path = os.path.join(*module.split("."))
    for file in (path + ".py", os.path.join(path, "__init__.py")):
        if os.path.isfile(os.path.join(directory, file)):
            return file
    return None


def _explicit(directory: str, handler: str, style: str | None):
    module, dot, name = handler.rpartition(".")
    if not dot or not all(part.isidentifier() for part in handler.split(".")):
        raise EntryError("BadHandler", f"handler: found {handler!r}, wanted module.function")
    file = _module_file(directory, module)
    if file is None:
        raise EntryError("BadHandler", f"handler {handler}: there is no {module.replace('.', '/')}.py; found {_listing(directory)}")
    names = _bindings(parse(directory, file))
    if name not in names and "*" not in names:
        raise EntryError("BadHandler", f"handler {handler}: {file} has no {name}", file)
    node = names.get(name)
    return handler, _style(name, node, style, f"{file} line {node.lineno}" if node else file)


def _top_level(directory: str) -> list:
    try:
        return sorted(name for name in os.listdir(directory) if os.path.isfile(os.path.join(directory, name)))
    except OSError as error:
        raise EntryError("NoEntry", f"{directory}: {error.strerror}; {WANTED}") from None


def _listing(directory: str) -> str:
    names = _top_level(directory)
    files = [name for name in names if name.endswith(".py")]
    if not files:
        return f"no .py file ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})" if names else "no file"
    return ", ".join(files[:20]) + (", …" if len(files) > 20 else "")


def find(directory: str, handler: str | None, style: str | None):
    """Returns (handler, style) or raises EntryError."""
    if handler:
        return _explicit(directory, handler, style)
    files = [name for name in _top_level(directory) if name.endswith(".py") and name[:-3].isidentifier()]
    trees = {file: _bindings(parse(directory, file)) for file in files}
    if "main" in trees.get("func.py", ()):
        node = trees["func.py"]["main"]
        return "func.main", _style("main", node, style, f"func.py line {node.lineno}" if node else "func.py")
    found = [(file, names["handler"]) for file, names in trees.items() if names.get("handler")]
    if len(found) == 1:
        file, node = found[0]
        return f"{file[:-3]}.handler", _style("handler", node, style, f"{file} line {node.lineno}")
    if found:
        places = ", ".join(f"{file} line {node.lineno}" for file, node in found)
        raise EntryError("AmbiguousEntry", f"handler is defined in several modules: {places}; wanted one, or a handler given as module.function")
    raise EntryError("NoEntry", f"no entry function: found {_listing(directory)}; {WANTED}")
