"""The literature's numbers, as data: they stand in a block of their own, headed by what differs, never among the rows trained here.

The averages of multi-label tables are computed from the columns, never copied: one of the source's rows states averages that are not those
of its columns. All numbers are per cent (CH-SIMS: ×100 throughout).
"""

from dataclasses import dataclass

SOURCE_1 = "Multimodal Learning inspired by Multitask learning in Video Emotion Recognition (khanhnd185, 29 October 2023)"
SOURCE_2 = (
    "Pizarro & Bekios-Calfa, Emotion recognition using multimodal matchmap fusion and multi-task learning, ICPRS 2021, "
    "doi 10.1049/icp.2021.1454"
)
MMSA = "thuiar/MMSA, results/result-stat.md (commit a94e65d), means of several seeds with the order of F1's arguments corrected"
FROZEN = (
    "Here encoders are frozen and their embeddings cached; the published end-to-end rows (EmoMBT, which its source calls “Ours”, its "
    "Audio, Visual and Text, and FE2E, MESE, Le et al) fine-tune theirs, and the others read features made by hand."
)
FROZEN_SIMS = (
    "Here encoders are frozen or features ready-made; EmoMBT (its source's “Ours”) fine-tunes all three, Self-MM and Human-MM fine-tune "
    "BERT; the other rows read features made by hand and BERT's."
)
ONE_RUN = "Published numbers carry neither intervals nor seeds, so a difference from them cannot be tested."


@dataclass(frozen=True)
class Published:
    """A table of the literature.

    Args:
        title: what it shows.
        source: where it stands.
        differs: sentences that say what differs from the rows trained here.
        labels: multi-label: names of the columns, each with accuracy and F1; empty where `columns` are given.
        accuracy: multi-label: which accuracy is meant.
        columns: names of the columns of any other table.
        rows: (name, annotations, numbers), in the source's order.
        decimals: as many as the source states; multi-label tables have one.
    """

    title: str
    source: str
    differs: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[float, ...]], ...]
    labels: tuple[str, ...] = ()
    accuracy: str = "Ac"
    columns: tuple[str, ...] = ()
    decimals: int = 2


def _parse(text: str, width: int, annotated: bool = False) -> tuple[tuple[str, str, tuple[float, ...]], ...]:
    """Read rows of `name [annotations] number …`; the last `width` words of a line are its numbers."""
    rows = []
    for line in text.strip().splitlines():
        words = line.split()
        head = words[:-width]
        annotations = head.pop() if annotated else "M"
        rows.append((" ".join(head), annotations.replace(",", ", "), tuple(float(word) for word in words[-width:])))
    return tuple(rows)


_IEMOCAP = """
Audio        82.1  46.2  55.0  30.3  45.4  42.4  12.8  17.2  48.6  41.4  77.9  48.8
Visual       80.9  53.8  84.3  56.3  68.3  53.9  90.1  43.7  75.1  55.3  86.6  55.8
Text         86.0  57.9  86.8  56.8  70.1  54.7  90.1  40.5  73.5  49.0  87.0  58.0
LF-LSTM      71.2  49.4  79.3  57.2  68.2  51.5  67.2  37.6  66.5  47.0  78.2  54.0
LF-Trans     81.9  50.7  85.3  57.3  60.5  49.3  85.2  37.6  72.4  49.7  87.4  57.4
EmoEmbs      65.9  48.9  73.5  58.3  68.5  52.0  69.6  38.3  73.6  48.7  80.8  53.0
MulT         77.9  60.7  76.9  58.0  72.4  57.0  80.0  46.8  74.9  53.7  83.5  65.4
BIMHA        77.2  57.6  78.3  56.1  73.9  54.2  83.4  43.2  76.4  50.9  83.8  63.7
CMHA         88.6  61.1  87.9  60.5  75.1  56.3  89.0  45.8  76.5  51.2  88.3  61.6
MESE         88.2  62.8  88.3  61.2  74.9  58.4  89.5  47.3  77.0  52.0  88.6  62.2
FE2E         88.7  63.9  89.1  61.9  71.2  57.8  90.0  44.8  79.1  58.4  89.1  65.7
Le et al     90.1  66.8  88.5  66.8  77.7  57.0  90.5  48.5  78.1  56.6  90.7  69.6
EmoMBT       89.5  67.8  90.8  70.7  78.9  59.9  89.9  55.5  79.1  60.6  91.4  72.9
"""
_MOSEI = """
Audio        53.9  40.5  61.0  35.7  59.0  19.6  50.0  69.3  61.2  45.8  58.4  21.7
Visual       58.9  38.2  63.2  37.6  59.1  21.8  55.7  70.3  56.2  42.8  53.0  17.9
Text         65.9  48.4  74.0  56.0  62.8  27.0  62.3  72.0  60.2  45.3  60.9  26.0
LF-LSTM      64.5  47.1  70.5  49.8  61.7  22.2  61.3  73.2  63.4  47.2  57.1  20.6
LF-Trans     65.3  47.7  74.4  51.9  62.1  24.0  60.6  72.9  60.1  45.5  62.1  24.2
EmoEmbs      66.8  49.4  69.6  48.7  63.8  23.4  61.2  71.9  60.5  47.5  63.3  24.0
MulT         64.9  47.5  71.6  49.3  62.9  25.3  67.2  75.4  64.0  48.3  61.4  25.6
BIMHA        65.3  47.4  70.5  48.9  61.8  24.7  65.8  72.1  62.6  47.9  62.5  24.9
CMHA         65.9  49.1  73.6  53.2  63.4  27.3  65.2  72.1  64.2  46.7  64.5  26.6
MESE         66.8  49.3  75.6  56.4  65.8  28.9  64.1  72.3  63.0  46.6  65.7  27.2
FE2E         66.9  49.5  75.4  57.2  63.8  27.1  61.9  72.3  65.6  49.3  61.5  26.9
Le et al     67.5  50.2  76.3  57.0  69.0  29.0  63.0  72.6  65.5  49.2  65.7  27.6
EmoMBT       71.4  52.6  81.4  57.4  80.5  30.2  68.5  75.4  63.9  51.6  80.3  30.3
"""
_SIMS = """
EF-LSTM    M        69.37  81.91  59.34  -4.39
MFN        M        77.86  78.22  45.19  55.18
MulT       M        77.94  79.10  48.45  55.94
LF-DNN     M        79.87  80.20  42.01  61.23
MLF-DNN    M,T,A,V  82.28  82.52  40.64  67.47
LMF        M        79.34  79.96  43.99  60.00
MLMF       M,T,A,V  82.32  82.66  42.03  63.13
TFN        M        80.66  81.62  42.52  61.18
MTFN       M,T,A,V  82.45  82.56  40.66  66.98
Self-MM    M,T,A,V  80.74  80.78  41.90  61.60
Human-MM   M,T,A,V  81.32  81.73  40.80  64.70
EmoMBT     M,T,A,V  83.37  83.15  37.61  68.04
"""
_SIMS_CORRECTED = """
MLF-DNN    M,T,A,V   80.44  80.28  39.58  66.52
MTFN       M,T,A,V   81.09  81.01  39.54  66.58
"""

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "iemocap": (
        Published(
            "IEMOCAP, six emotions as independent yes/no labels (7380 utterances of Dai et al. 2021)",
            SOURCE_1,
            (
                FROZEN,
                "Their parts are random utterances of the same dialogues: every session and speaker stands in all three parts.",
                "Ac is plain accuracy: answering “no” to everything gives 83.3 % on that test list.",
                "Averages are computed from the columns: up to 0.1 from the source's, and for FE2E far from its 85.7 / 57.1.",
                ONE_RUN,
            ),
            _parse(_IEMOCAP, 12),
            labels=("Ang", "Exc", "Fru", "Hap", "Neu", "Sad"),
        ),
    ),
    "mosei": (
        Published(
            "CMU-MOSEI, six emotions as independent yes/no labels (20477 utterances of Dai et al. 2021)",
            SOURCE_1,
            (
                FROZEN,
                "Wa is balanced accuracy, ½(TPR + TNR): answering “yes” to everything gives 50.0, with an F1 of 69.3 for happiness.",
                "Averages are computed from the columns: up to 0.1 from the source's.",
                ONE_RUN,
            ),
            _parse(_MOSEI, 12),
            labels=("Ang", "Dis", "Fea", "Hap", "Sad", "Sur"),
            accuracy="Wa",
        ),
    ),
    "ch_sims": (
        Published(
            "CH-SIMS, sentiment",
            SOURCE_1,
            (
                FROZEN_SIMS,
                "The F1 of EF-LSTM to MTFN was computed with truth and prediction exchanged: in the right order EF-LSTM has 56.82.",
                "Self-MM is listed with M, A, T, V; the method reads M only and makes the others itself.",
                ONE_RUN,
            ),
            _parse(_SIMS, 4, annotated=True),
            columns=("Acc2", "F1", "MAE", "Corr"),
        ),
        Published(
            "CH-SIMS, two of these rows as recomputed later by the authors of the baselines",
            MMSA,
            ("Hand-made features; the best epoch by the loss on valid; F1 with truth first, as here.",),
            _parse(_SIMS_CORRECTED, 4, annotated=True),
            columns=("Acc2", "F1", "MAE", "Corr"),
        ),
    ),
    "iemocap_matchmap": (
        Published(
            "IEMOCAP, four classes, matchmap fusion of audio and video",
            SOURCE_2,
            (
                "The source states one number: 7 % better than its baseline, which concatenates the features of the modalities.",
                "Its networks are trained on 3-second segments and not frozen for the fusion; its scores are averages over batches.",
            ),
            (("Matchmap fusion against concatenation", "M", (7.0,)),),
            columns=("Improvement, %",),
            decimals=0,
        ),
    ),
}
"""Name in a task's `published` → its tables."""
