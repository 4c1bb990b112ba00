"""What the `speech` plugin offers. Light: implementations load on first use."""

from __future__ import annotations

from typing import Any

import zoo

ZOO_CONTRACT = 1
KEYWORDS, TRANSCRIBE, SPEAKERS = "speech/keywords", "speech/transcribe", "speech/speakers"
CLASSES = (KEYWORDS, SPEAKERS)
ALL = (KEYWORDS, TRANSCRIBE, SPEAKERS)


@zoo.hookimpl
def zoo_tasks() -> list[zoo.TaskSpec]:
    return [
        zoo.TaskSpec(
            name="keywords",
            summary="Says which word, or which other class, a recording is of.",
            implementation="zoo_speech.tasks.keywords:Keywords",
            reference="arXiv:1804.03209",
        ),
        zoo.TaskSpec(
            name="transcribe",
            summary="Writes down what is said in a recording, with the time of each word.",
            implementation="zoo_speech.tasks.transcribe:Transcribe",
            reference="https://doi.org/10.1145/1143844.1143891",
        ),
        zoo.TaskSpec(
            name="speakers",
            summary="Says who speaks, and whether two recordings are of one speaker.",
            implementation="zoo_speech.tasks.speakers:Speakers",
            reference="arXiv:1803.10963",
        ),
    ]


@zoo.hookimpl
def zoo_models() -> list[zoo.ModelSpec]:
    return [
        zoo.ModelSpec(
            name="resnet",
            summary="Small residual network of convolutions over the spectrogram.",
            implementation="zoo_speech.models.resnet:ResNet",
            tasks=ALL,
            reference="arXiv:1710.10361",
        ),
        zoo.ModelSpec(
            name="bcresnet",
            summary="Broadcasted residual network: few weights, made for small devices.",
            implementation="zoo_speech.models.bcresnet:BCResNet",
            tasks=ALL,
            reference="arXiv:2106.04140",
        ),
        zoo.ModelSpec(
            name="conformer",
            summary="Conformer: attention and convolutions in each block, in three sizes.",
            implementation="zoo_speech.models.conformer:Conformer",
            tasks=ALL,
            reference="arXiv:2005.08100",
        ),
        zoo.ModelSpec(
            name="lstm",
            summary="Bidirectional LSTM, the classical network for speech.",
            implementation="zoo_speech.models.lstm:LSTM",
            tasks=ALL,
            reference="arXiv:1303.5778",
        ),
        zoo.ModelSpec(
            name="whisper",
            summary="Encoder of Whisper in Keras Hub, whose published weights it can start from.",
            implementation="zoo_speech.models.hub_models:Whisper",
            tasks=ALL,
            reference="arXiv:2212.04356",
        ),
        zoo.ModelSpec(
            name="moonshine",
            summary="Encoder of Moonshine in Keras Hub, whose published weights it can start from.",
            implementation="zoo_speech.models.hub_models:Moonshine",
            tasks=ALL,
            reference="arXiv:2410.15608",
        ),
    ]


@zoo.hookimpl
def zoo_datasets() -> list[zoo.DatasetSpec]:
    return [
        zoo.DatasetSpec(
            name="recordings",
            summary="Recordings in class folders, a manifest, by their names, or a TFDS name.",
            implementation="zoo_speech.data.datasets:Recordings",
            tasks=CLASSES,
        ),
        zoo.DatasetSpec(
            name="transcripts",
            summary="Recordings with text: a manifest, Common Voice, LibriSpeech or a TFDS name.",
            implementation="zoo_speech.data.datasets:Transcripts",
            tasks=(TRANSCRIBE,),
        ),
        zoo.DatasetSpec(
            name="voices",
            summary="Generated words, spoken by several synthetic voices.",
            implementation="zoo_speech.generator.datasets:Voices",
            tasks=CLASSES,
        ),
        zoo.DatasetSpec(
            name="known-voices",
            summary="Generated words of voices that are in all splits, to recognise the voices.",
            implementation="zoo_speech.generator.datasets:KnownVoices",
            tasks=CLASSES,
        ),
        zoo.DatasetSpec(
            name="sentences",
            summary="Generated strings of words with their text.",
            implementation="zoo_speech.generator.datasets:Sentences",
            tasks=(TRANSCRIBE,),
        ),
    ]


@zoo.hookimpl
def zoo_strategies() -> list[zoo.StrategySpec]:
    return [
        zoo.StrategySpec(
            name="seconds-parallel",
            summary="All devices of this machine, which share a batch in seconds of sound.",
            implementation="zoo_speech.strategy:SecondsParallel",
        )
    ]


@zoo.hookimpl
def zoo_recipes() -> list[zoo.RecipeSpec]:
    return [
        zoo.RecipeSpec(
            name="keywords",
            summary="Trains a recogniser of single words on your recordings.",
            task="keywords",
            model="resnet",
            dataset="recordings",
            sample="voices",
            strategy="seconds-parallel",
            settings=_KEYWORDS,
            trial=_TRIAL_OF_WORDS,
            default=True,
        ),
        zoo.RecipeSpec(
            name="voices",
            summary="Learns digits from many synthetic voices, to start a recogniser of yours.",
            task="keywords",
            model="resnet",
            dataset="voices",
            sample="voices",
            strategy="seconds-parallel",
            settings={
                **_KEYWORDS,
                "data.count": 16_000,
                "data.voices": 1600,
                "train.stages": [{"steps": 2200}],
                "train.validate_every": 4.0,
            },
            trial=_TRIAL_OF_WORDS,
        ),
        zoo.RecipeSpec(
            name="transcribe",
            summary="Trains a network that writes down speech on your transcribed recordings.",
            task="transcribe",
            model="conformer",
            dataset="transcripts",
            sample="sentences",
            strategy="seconds-parallel",
            settings={
                **_SETTINGS,
                # Hundredths of a second of sound: six minutes.
                "train.batch_tokens": 36_000,
                "train.stages": _stages(head=4, all_=40, scratch=80, most=10_000, peak=2e-3),
                "train.learning_rate": 2e-3,
            },
            trial={
                **_TRIAL,
                "data.count": 80,
                "data.most": 3,
                "train.batch_tokens": 1000,
                "train.stages": [{"steps": 50}],
            },
        ),
        zoo.RecipeSpec(
            name="speakers",
            summary="Trains a recogniser of speakers on your recordings of them.",
            task="speakers",
            model="resnet",
            dataset="recordings",
            sample="known-voices",
            strategy="seconds-parallel",
            settings={
                **_SETTINGS,
                # Who is to be recognised has to be known: speakers are in all splits.
                "data.split_by": "example",
                "data.classes_are": "speakers",
                "train.batch_tokens": 12_000,
                "train.stages": _stages(head=4, all_=30, scratch=40, most=6000, peak=3e-3),
                "train.learning_rate": 3e-3,
            },
            trial={
                **_TRIAL,
                "data.count": 160,
                "train.batch_tokens": 2000,
                "train.stages": [{"steps": 40}],
            },
        ),
    ]


_SETTINGS: dict[str, Any] = {
    "train.clip_norm": 1.0,
    "train.validate_every": 2.0,
    "train.warmup": 0.1,
    "train.weight_decay": 0.01,
}
"""What all recipes have in common."""

_TRIAL: dict[str, Any] = {
    "data.rate": 8000,
    "data.voices": 10,
    "evaluation.batch_size": 32,
    "evaluation.samples": 20,
    "model.size": "tiny",
    "train.validate_every": 100.0,
}


_TRIAL_OF_WORDS: dict[str, Any] = {
    **_TRIAL,
    "data.count": 160,
    "train.batch_size": 16,
    "train.stages": [{"steps": 40}],
}


def _stages(*, head: int, all_: int, scratch: int, most: int, peak: float) -> list[dict[str, Any]]:
    """Return the stages: from weights first the head alone, then all of the network, gently.

    Args:
        head: epochs of the head.
        all_: epochs of the whole network from weights.
        scratch: epochs of the whole network without weights.
        most: steps of a stage of the whole network at most.
        peak: learning rate without weights.
    """
    return [
        {"name": "head", "when": "transfer", "trainable": ["head"], "epochs": head, "steps": 500},
        {
            "name": "all",
            "when": "transfer",
            "epochs": all_,
            "steps": most,
            "learning_rate": peak / 3,
        },
        {"name": "scratch", "when": "scratch", "epochs": scratch, "steps": most},
    ]


_KEYWORDS: dict[str, Any] = {
    **_SETTINGS,
    "train.batch_size": 64,
    # Known speakers are soon recognised without a fault, which says nothing of others.
    "train.keep": "last",
    "train.stages": _stages(head=4, all_=40, scratch=60, most=6000, peak=3e-3),
    "train.learning_rate": 3e-3,
}
"""What the recipes of words have in common."""
