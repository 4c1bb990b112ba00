"""The contract suite: proves that a plugin does what the core and its users rely on.

A plugin's author writes one test file, and runs it with pytest:

.. code-block:: python

    # tests/test_contract.py
    from zoo.testing import PluginContract


    class TestContract(PluginContract):
        plugin = "ocr"

The plugin has to be installed (``pip install -e .``), and pytest as well
(``pip install "keras-domain-zoo[test]"``). Each check is one test for each task, model,
dataset or recipe, such as ``test_model_saves_and_loads_equal[crnn]``. A recipe is run under
the settings of its `RecipeSpec.trial`, once for all checks, with its generated sample, in an
empty folder and without a network.

What a plugin has beyond that, its author says by fixtures, which may have any scope:

.. code-block:: python

    class TestContract(PluginContract):
        plugin = "ocr"

        @pytest.fixture
        def trial(self):  # settings over those of each recipe's trial
            return {"train.stages": [{"steps": 10}]}

        @pytest.fixture
        def datasets(self):  # files for the datasets that read files
            return {"folder": {"path": str(HERE / "lines")}}

        @pytest.fixture
        def models(self):  # settings for the models that no recipe is made for
            return {"ctc": {"task.blank": True}}

        @pytest.fixture
        def user_files(self, tmp_path):  # good files, and one with "bad" in its name
            write_lines(tmp_path)
            (tmp_path / "bad.png").write_bytes(b"not a picture")
            return tmp_path

        @pytest.fixture
        def expected_failures(self):  # checks that cannot pass yet, and why
            return {"test_recipe_is_equal_on_two_replicas": "the CTC loss is a sum"}

        @pytest.fixture
        def left_out(self):  # checks not to run here, and why
            return {"test_*[crnn-large]": "takes minutes on two cores"}

Both mappings go from a test's name, with or without what stands in brackets, or a pattern of
names with ``*``, to a reason. An expected failure that passes is a failure: take it out.

Without a test file, ``zoo plugins check ocr`` runs the same checks on an installed plugin. So
does ``pytest -p zoo.testing.options --pyargs zoo.testing.suite --zoo-plugin ocr``, with all
that pytest offers besides.
"""

from __future__ import annotations

from zoo.testing.contract import PluginContract
from zoo.testing.violations import ContractViolation

__all__ = ["ContractViolation", "PluginContract"]
