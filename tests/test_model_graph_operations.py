"""What of a SavedModel Google's prebuilt TensorFlow 2.15 image could not load, read without TensorFlow."""

from pathlib import Path
from typing import Any

import pytest

from model.errors import UserError
from model.graph_operations import known_operations, read_graph, unknown_to_prebuilt
from model.saved_models import read_proto

GRAPH = "saved_model.pb"


def changed(source: Path, target: Path, change: Any) -> Path:
    """Write a SavedModel's graph with a change."""
    saved = read_proto(source)
    change(saved.meta_graphs[0].graph_def)
    target.mkdir()
    (target / GRAPH).write_bytes(saved.SerializeToString())
    return target


def test_the_tutorials_models_suit_the_prebuilt_image(saved_models: Path) -> None:
    """Both keyed forms use operations that TensorFlow 2.15 knows, with attributes that it knows."""
    assert unknown_to_prebuilt(saved_models / "keyed") == []
    assert unknown_to_prebuilt(saved_models / "functional") == []
    assert "MatMul" in read_graph(saved_models / "keyed").operations


def test_the_graph_is_read_as_tensorflow_reads_it(saved_models: Path) -> None:
    """Operations of the graph and of its functions, with their attributes, as the protobuf classes have them."""
    graph = read_proto(saved_models / "keyed").meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    read = read_graph(saved_models / "keyed")
    assert set(read.operations) == {node.op for node in nodes}
    assert read.functions == {function.signature.name for function in graph.library.function}
    assert read.min_consumer == graph.versions.min_consumer
    dense = next(node for node in nodes if node.op == "MatMul")
    assert {name for name in dense.attr if not name.startswith("_")} <= read.operations["MatMul"]


def test_what_is_too_new_is_named(saved_models: Path, tmp_path: Path) -> None:
    """A later operation, a later attribute of a known one, and a graph for later versions only."""

    def later(graph: Any) -> None:
        graph.node.add(name="n", op="InventedIn2030")
        node = graph.node.add(name="m", op="MatMul")
        node.attr["grad_z"].b = True
        node.attr["_note"].b = True
        graph.versions.min_consumer = 2000

    folder = changed(saved_models / "keyed", tmp_path / "later", later)
    version = "GraphDef version 1645 (it asks for 2000)"
    assert unknown_to_prebuilt(folder) == [version, "InventedIn2030", "MatMul.grad_z"]


def test_a_graph_may_exclude_a_version(saved_models: Path, tmp_path: Path) -> None:
    """`bad_consumers` names versions that would load a graph wrongly."""
    folder = changed(
        saved_models / "keyed", tmp_path / "bad", lambda graph: graph.versions.bad_consumers.extend([7, 1645])
    )
    assert read_graph(folder).bad_consumers == (7, 1645)
    assert unknown_to_prebuilt(folder) != []


def test_the_list_is_tensorflow_215s() -> None:
    """It says which GraphDef version it is of, and has the operations that were there then."""
    known = known_operations()
    assert known.version == 1645
    assert len(known.operations) > 1500
    assert known.operations["MatMul"] == {"T", "transpose_a", "transpose_b"}


@pytest.mark.parametrize("content", [None, b"\x0a\xff", b""])
def test_no_model_is_told_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    """A folder without a graph, or with a damaged one."""
    if content is not None:
        (tmp_path / GRAPH).write_bytes(content)
    if content == b"":
        assert unknown_to_prebuilt(tmp_path) == []
        return
    with pytest.raises(UserError, match="Run: invoke export"):
        unknown_to_prebuilt(tmp_path)
