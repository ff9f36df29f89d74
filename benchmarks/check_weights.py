"""Measures shipped weights and writes what comes out into their card.

Run as `python -m benchmarks.check_weights NAME --hardware="2 cores of an AMD EPYC"`,
after NAME.safetensors has changed. It sets "check", which a test measures again, and
"seconds_per_image", the median over three photographs of 256 x 256 pixels.
"""

import argparse
import json

import numpy as np

from irsde_jax import load, weights
from irsde_jax.demo import trial

SIDE = 256  # pixels


def measure(name: str, hardware: str) -> dict:
    """The two entries of the card."""
    restorer = load(name)
    seconds = [
        result.seconds
        for _, results in trial.run(restorer, side=SIDE)
        for result in results
        if not result.compiled
    ]
    timed = {f"{SIDE} x {SIDE}, {hardware}": round(float(np.median(seconds)), 2)}
    return {"seconds_per_image": timed, "check": trial.check(restorer)}


def main() -> None:
    """Measures, and changes the card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [known.name for known in weights.list_weights()]
    parser.add_argument("name", choices=names)
    parser.add_argument("--hardware", required=True, help="what this runs on")
    given = parser.parse_args()
    (known,) = (known for known in weights.list_weights() if known.name == given.name)
    card = known.card | measure(known.name, given.hardware)
    path = known.path.with_suffix(".json")
    text = json.dumps(card, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {path}: {card['seconds_per_image']}, {card['check']}")


if __name__ == "__main__":
    main()
