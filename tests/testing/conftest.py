"""What all examinations of the examiner have in common."""

import re
from collections.abc import Callable, Mapping

import pytest

from meadow.core.errors import LawError


@pytest.fixture(scope="session")
def all_fail() -> Callable:
    """The definitions listed break exactly this law; the list names every law."""

    def check(laws: Mapping, broken: Mapping, law: str, examine: Callable) -> None:
        assert broken.keys() == laws.keys(), "every law needs a definition that breaks it"
        for definition in broken[law]:
            with pytest.raises(LawError, match=re.escape(f"breaks the law: {law}. ")) as caught:
                examine(definition)
            assert len(str(caught.value)) < 1500, "a law is explained in a few lines"

    return check
