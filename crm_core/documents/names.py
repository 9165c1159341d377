"""What a template names: read from its syntax tree, and watched while a document is made of it.

`used` lists the names for people who keep templates. `watch` marks every place where a value is printed, so that the
making itself tells what was empty there, and what a filter could not be sure of: only of those branches that were taken
for this very customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jinja2 import nodes
from jinja2.environment import Environment

COUNTED = "_counted"
"""Filter of our own around the rows of a loop."""
NAMED = "_named"
"""Around what is printed; its argument is the name."""
DOUBTED = "_doubted"
"""Around what goes into a filter that may be unsure; its arguments are filter, name, arguments of the filter."""
_MARKS = frozenset({COUNTED, NAMED, DOUBTED})
Scope = Mapping[str, str]
"""Loop variable → rows that it goes through: `line` → `lines[]`."""


def used(node: nodes.Node, scope: Scope, guarded: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """(path, required) of every name below this node. A name is required unless it stands under a condition on itself
    or with a `default`."""
    if path := _path(node, scope):
        if not _is_loop(path):
            yield path, path not in guarded
        return
    match node:
        case nodes.If() | nodes.CondExpr():
            tested = frozenset(path for path, _ in used(node.test, scope, guarded))
            yield from ((path, False) for path in tested)
            guarded |= tested
            children = [child for child in node.iter_child_nodes() if child is not node.test]
        case nodes.For():
            yield from used(node.iter, scope, guarded)
            inner = _inside(node, scope)
            for child in (*node.body, *([node.test] if node.test else [])):
                yield from used(child, inner, guarded)
            children = node.else_
        case nodes.Filter(name="default", node=nodes.Node() as inner_node):
            yield from ((path, False) for path, _ in used(inner_node, scope, guarded))
            children = list(node.args)
        case _:
            children = list(node.iter_child_nodes())
    for child in children:
        yield from used(child, scope, guarded)


def watch(template: nodes.Template, unsure: frozenset[str], env: Environment) -> None:
    """Put our marks around everything that this template prints; `unsure`: filters that may be in doubt."""
    for node in template.body:
        _watch(node, {}, unsure)
    template.set_environment(env)


def _watch(node: nodes.Node, scope: Scope, unsure: frozenset[str]) -> None:
    match node:
        case nodes.Output():
            node.nodes = [_printed(each, scope, unsure) for each in node.nodes]
        case nodes.If():
            for child in (*node.body, *node.elif_, *node.else_):
                _watch(child, scope, unsure)
        case nodes.For():
            if isinstance(node.iter, nodes.Filter) and node.iter.name == COUNTED:
                node.iter.args.append(nodes.Const(_path(node.iter, scope) or ""))
            inner = _inside(node, scope)
            for child in node.body:
                _watch(child, inner, unsure)
            for child in node.else_:
                _watch(child, scope, unsure)


def _printed(node: nodes.Expr, scope: Scope, unsure: frozenset[str]) -> nodes.Expr:
    """The same expression with its marks."""
    path = _path(node, scope)
    if path:
        return node if _is_loop(path) else _mark(NAMED, node, path)
    match node:
        case nodes.Filter(name="default", node=nodes.Expr() as inner):
            first = _first_path(inner, scope)
            return _mark(NAMED, node, first) if first else node
        case nodes.Filter(node=nodes.Expr() as inner):
            first = _first_path(inner, scope)
            node.node = _printed(inner, scope, unsure)
            if node.name in unsure and first:
                node.node = _mark(DOUBTED, node.node, node.name, first, *node.args)
        case nodes.CondExpr():
            node.expr1 = _printed(node.expr1, scope, unsure)
            node.expr2 = _printed(node.expr2, scope, unsure) if node.expr2 is not None else None
        case nodes.Concat():
            node.nodes = [_printed(each, scope, unsure) for each in node.nodes]
    return node


def _mark(name: str, node: nodes.Expr, *args: str | nodes.Expr) -> nodes.Filter:
    given = [each if isinstance(each, nodes.Expr) else nodes.Const(each) for each in args]
    return nodes.Filter(node, name, given, [], None, None, lineno=node.lineno)


def _first_path(node: nodes.Node | None, scope: Scope) -> str | None:
    """The name that an expression begins with: of `a.b|default(c)` it is `a.b`."""
    while node is not None:
        if path := _path(node, scope):
            return None if _is_loop(path) else path
        node = node.node if isinstance(node, nodes.Filter) else None
    return None


def _inside(loop: nodes.For, scope: Scope) -> Scope:
    rows = _path(loop.iter, scope)
    target = loop.target.name if isinstance(loop.target, nodes.Name) else ""
    return {**scope, target: f"{rows}[]"} if rows and target else scope


def _is_loop(path: str) -> bool:
    return path == "loop" or path.startswith("loop.")


def _path(node: nodes.Node | None, scope: Scope) -> str | None:
    match node:
        case nodes.Name():
            return scope.get(node.name, node.name)
        case nodes.Getattr():
            base = _path(node.node, scope)
            return f"{base}.{node.attr}" if base else None
        case nodes.Getitem(arg=nodes.Const(value=key)):
            base = _path(node.node, scope)
            return f"{base}.{key}" if base else None
        case nodes.Filter() if node.name in _MARKS:
            return _path(node.node, scope)
    return None
