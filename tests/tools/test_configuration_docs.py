"""The page of a definition's keys says what the model says."""

from tools.make_configuration_docs import PAGE, page


def test_the_configuration_page_is_the_one_that_the_model_makes():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: .venv/bin/python -m tools.make_configuration_docs"
