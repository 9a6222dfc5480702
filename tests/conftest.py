"""What all tests share: the published dataset is in place before anything runs."""

import pytest


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        return  # the controller has done it
    import generate_data

    if not generate_data.DATASET.exists():
        generate_data.write_logs()
    if not generate_data.is_published():
        pytest.exit(
            f"{generate_data.DATASET} is not the published dataset, which the stored outputs belong to. "
            "Write it again: python data/generate_data.py",
            returncode=2,
        )
