"""Single predictions: many callers, each with one row per call, and one call with many rows.

Every system serves the same weights: the MLP on 64 pixels (64-64-32-10) and a CNN on 28 × 28 pixels. Servers, Redis
and callers share two cores. A caller calls again as soon as it has its answer; each answer is compared with what Keras
predicts.
"""

from .lineup import Lineup
from .options import parse
from .peers import Style

_LEVELS = {"mlp": (1, 64, 512), "cnn": (64,)}
# So many callers need longer until each has had an answer.
_CROWD = 512
_QUICK_LEVELS = {"mlp": (1, 64)}


def main() -> None:
    """Measure and write the figures down."""
    options = parse("inference", __doc__, seconds=2.0)
    levels = _QUICK_LEVELS if options.quick else _LEVELS
    with Lineup("inference", options, tuple(levels), serve_models=True) as lineup:
        for peer in lineup.turns():
            for model, numbers in levels.items():
                for callers in numbers:
                    seconds = options.seconds * (2 if callers >= _CROWD else 1)
                    styles: tuple[Style, ...] = (peer.alone,) if callers == 1 else peer.styles
                    for style in styles if callers <= peer.most_callers else ():
                        case = {"model": model, "callers": callers, "style": style}
                        lineup.measure(peer, case, "infer", seconds=seconds, **case)
            for way in lineup.ways(peer, "many"):
                case = {"model": "mlp", "way": way}
                lineup.measure(peer, case, "many", seconds=options.seconds / 4, **case)
        lineup.write()


if __name__ == "__main__":
    main()
