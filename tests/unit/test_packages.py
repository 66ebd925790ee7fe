"""What a worker says of the packages that are installed beside it."""

import subprocess
import sys
from importlib import metadata

import pytest

from stoker_workers.node.packages import installed, versions


def test_the_distributions_behind_what_is_offered_are_named_with_their_versions() -> None:
    offers = ("function:pydantic.fields:*", "module:yaml", "label:image=shop-1.4", "function:json:dumps")
    told = versions(offers)
    assert told["pydantic"] == metadata.version("pydantic")
    # A module may be called otherwise than its distribution, or be of none.
    assert told["PyYAML"] == metadata.version("pyyaml")
    assert set(told) == {"tensorflow", "keras", "pydantic", "PyYAML"}


def test_what_is_in_no_distribution_is_left_out() -> None:
    assert set(versions(("module:no_such_package.layers",))) == {"tensorflow", "keras"}


def test_to_look_them_up_imports_none_of_them() -> None:
    program = (
        "import sys; from stoker_workers.node.packages import installed, versions; "
        "assert versions(('function:tensorflow:*', 'module:keras.layers')); "
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_package_that_is_not_installed_is_not_offered_and_said(caplog: pytest.LogCaptureFixture) -> None:
    has = ("function:json:*", "module:yaml.nodes", "label:image=shop-1.4")
    assert installed((*has, "module:no_such_package.layers", "function:no_such_package:*")) == has
    assert "there is no no_such_package here: module:no_such_package.layers" in caplog.text
