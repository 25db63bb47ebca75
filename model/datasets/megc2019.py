"""The clips of MEGC 2019's composite, with which most published scores were measured: 145 of
CASME II, 133 of SAMM and 164 of SMIC-HS, of 68 subjects (J. See, M. H. Yap, J. Li, X. Hong,
S.-J. Wang: MEGC 2019, the second facial micro-expressions grand challenge, FG 2019).

The list follows from the data sets' own tables. SMIC-HS is whole. Of SAMM it has all that three
classes name, so all but *others*; of CASME II disgust and repression (negative), happiness and
surprise, but not fear and sadness, and not two of the clips with disgust. Two public copies of the
challenge's list agree on this, clip by clip (the repositories davidnvq/me_recognition and
wangzhifengharrison/HTNet), and the tables give exactly these clips.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.datasets.class_merges import merge
from model.datasets.clips import Clip

_LEFT_OUT = {("casme2", "04", "EP12_01f"), ("casme2", "05", "EP09_05f")}
_LEFT_OUT_EMOTIONS = {("casme2", "fear"), ("casme2", "sadness")}


@dataclass(frozen=True, slots=True)
class Published:
    """What the challenge says of one data set."""

    subjects: int
    classes: Mapping[str, int]


PUBLISHED: Mapping[str, Published] = {
    "casme2": Published(24, {"negative": 88, "positive": 32, "surprise": 25}),
    "samm": Published(28, {"negative": 92, "positive": 26, "surprise": 15}),
    "smic": Published(16, {"negative": 70, "positive": 51, "surprise": 43}),
}


def is_listed(clip: Clip) -> bool:
    """Whether the composite has this clip."""
    return (
        clip.dataset in PUBLISHED
        and merge(3).find_class(clip.label) is not None
        and (clip.dataset, clip.subject, clip.name) not in _LEFT_OUT
        and (clip.dataset, clip.label) not in _LEFT_OUT_EMOTIONS
    )


def compare_counts(dataset: str, clips: Iterable[tuple[str, str]]) -> str:
    """A line that says whether the listed `clips`, as (subject, class), are as many as the
    challenge had of this `dataset`, and what differs."""
    pairs = list(clips)
    found = Counter(own for _, own in pairs)
    published = PUBLISHED[dataset]
    counts = {"clips": (len(pairs), sum(published.classes.values()))}
    counts |= {name: (found[name], count) for name, count in published.classes.items()}
    counts["subjects"] = len({subject for subject, _ in pairs}), published.subjects
    wrong = [f"{name} {own}, published {count}" for name, (own, count) in counts.items()
             if own != count]  # fmt: skip
    if wrong:
        return f"MEGC 2019's list of {dataset}: {'; '.join(wrong)}: scores do not compare"
    return f"MEGC 2019's list of {dataset}: {len(pairs)} clips, as published"
