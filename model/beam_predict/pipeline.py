"""The pipeline: shards are predicted and inputs digested side by side, errors numbered, the manifest written last."""

import apache_beam as beam
from apache_beam.pvalue import AsIter

from model.beam_predict.ending import digest_file, finish
from model.beam_predict.errors import number_errors
from model.beam_predict.shards import PredictShard
from model.beam_predict.work import Work


def build(pipeline: beam.Pipeline, work: Work) -> None:
    """Add the steps of a run; elements are shards, each of some byte ranges, so that a row never is one."""
    done = (
        pipeline
        | "Shards" >> beam.Create(range(work.plan.shards))
        | "Spread shards" >> beam.Reshuffle()
        | "Predict" >> beam.ParDo(PredictShard(work))
        | "Keep what is done" >> beam.Reshuffle()
    )
    digests = (
        pipeline
        | "Inputs" >> beam.Create(range(len(work.files)))
        | "Spread inputs" >> beam.Reshuffle()
        | "Digest" >> beam.Map(digest_file, work)
    )
    numbered = done | "Number errors" >> beam.Map(number_errors, work, AsIter(done))
    (pipeline | "End" >> beam.Create([None]) | "Manifest" >> beam.Map(finish, work, AsIter(numbered), AsIter(digests)))
