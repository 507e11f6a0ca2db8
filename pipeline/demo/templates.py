"""The sentences: neutral wordings and six emotional ones, each short enough to be said in three seconds."""

import re

import numpy as np

from pipeline.demo.emotions import Shown

WORDS = {
    "person": (
        "my brother",
        "our neighbour",
        "the teacher",
        "my boss",
        "Anna",
        "the driver",
        "my cousin",
        "the doctor",
        "Tom",
        "the new guy",
    ),
    "thing": (
        "the letter",
        "this box",
        "the soup",
        "that phone",
        "the old car",
        "the report",
        "the basket",
        "the picture",
        "the fridge",
        "that bag",
    ),
    "time": (
        "today",
        "this morning",
        "last night",
        "at noon",
        "on Monday",
        "this week",
        "again",
        "after lunch",
    ),
    "place": (
        "at home",
        "at work",
        "in town",
        "by the station",
        "upstairs",
        "on the bus",
        "at school",
        "next door",
    ),
}

SENTENCES = {
    "neutral": (
        "I put {thing} on the table {time}",
        "{person} comes here on the bus {time}",
        "we will meet {person} {place}",
        "there is a lamp beside {thing}",
        "{person} asked about {thing} {time}",
        "it is the second door {place}",
        "they moved {thing} {time}",
        "I think {person} is {place}",
        "the meeting is {place} {time}",
        "you can find {thing} {place}",
    ),
    "anger": (
        "how dare {person} touch {thing}",
        "I am furious about {thing}",
        "{person} lied to me {time}",
        "stop shouting at {person} right now",
        "I am so angry with {person}",
        "I will not tolerate this {time}",
        "this is outrageous and I hate it",
        "{person} has ruined {thing}",
    ),
    "disgust": (
        "{thing} smells absolutely rotten",
        "it is revolting, take {thing} away",
        "there is filthy slime on {thing}",
        "I feel sick when I look at {thing}",
        "what a nasty, disgusting mess {place}",
        "{person} spat on {thing}, how gross",
        "I cannot stand this foul stench",
        "that was vile of {person}",
    ),
    "fear": (
        "I am scared to be {place} alone",
        "something is creeping around {place}",
        "I am terrified of {person}",
        "please hide, it is dangerous {place}",
        "I was trembling with fear {time}",
        "what if {person} gets hurt",
        "I am afraid to open {thing}",
        "there is a threat and I panic",
    ),
    "happiness": (
        "I am so happy about {thing}",
        "what a wonderful day {place}",
        "we had such fun with {person}",
        "I love {thing}, it is lovely",
        "{person} made me smile {time}",
        "it is great news for {person}",
        "I enjoyed every minute {place}",
        "what a delightful treat {time}",
    ),
    "sadness": (
        "I miss {person} so much",
        "I cried all night about {thing}",
        "it breaks my heart to lose {thing}",
        "{person} is gone and I am lonely",
        "I feel hopeless and empty {time}",
        "it was a sad farewell to {person}",
        "nothing cheers me up, I grieve",
        "I am sorry, we lost {person}",
    ),
    "surprise": (
        "I never expected {person} {place}",
        "wow, where did {thing} come from",
        "suddenly {person} was standing {place}",
        "I cannot believe {thing} is back",
        "this is an astonishing turn {time}",
        "{person} did what, really",
        "what a shock to see {person}",
        "I am amazed by {thing}",
    ),
}

EXCLAMATIONS = {
    "anger": ("damn it", "enough", "I am furious", "how dare you"),
    "disgust": ("yuck", "how gross", "that is revolting", "disgusting"),
    "fear": ("oh no", "help", "I am so scared", "be careful"),
    "happiness": ("hooray", "how lovely", "I am so glad", "wonderful"),
    "sadness": ("alas", "how sad", "I could cry", "I am so sorry"),
    "surprise": ("wow", "really", "what on earth", "unbelievable"),
}


def draw_text(random: np.random.Generator, shown: Shown) -> str:
    """A sentence in the wording of the emotions shown; a neutral one where there are none."""
    names = list(shown) or ["neutral"]
    words = [_fill(random, SENTENCES[names[0]])]
    if len(names) > 1 or (shown and random.random() < 0.25):
        words.insert(int(random.integers(2)), _pick(random, EXCLAMATIONS[names[-1]]))
    return ". ".join(sentence[0].upper() + sentence[1:] for sentence in words) + "."


def _fill(random: np.random.Generator, sentences: tuple[str, ...]) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: _pick(random, WORDS[slot[1]]), _pick(random, sentences))


def _pick(random: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(random.integers(len(choices)))]
