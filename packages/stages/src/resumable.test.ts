import type { StepReport, TrainingState } from "@kd/contract";
import { createRng, memory, rngFromState, useBackend, type Variable, variable, zeros } from "@kd/tensor-core";
import { describe, expect, it } from "vitest";
import { engines, oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import { restoreWeights, resumable, stages, trainableNames, trainStage } from "./index.ts";

const TOTAL = 6;

/** One stage on a tiny model whose data come from a random stream that a resumed run must find as it was. */
function open(stage: keyof typeof stages, student: ReturnType<typeof tinyModel>, saved?: TrainingState) {
  const teacher = tinyModel(2, 6);
  let rng = createRng(5);
  return resumable({
    params: student.params,
    trainable: trainableNames(stages[stage], student),
    weights: trainableNames(stages.dft, student),
    totalSteps: TOTAL,
    step: () => Array.from({ length: 1 + rng.int(2) }, () => tinyBatch({ image: rng.next() < 0.7 })),
    train: (steps, state) =>
      trainStage({
        stage: stages[stage],
        student,
        teacher,
        steps,
        state,
        totalSteps: TOTAL,
        learningRate: 0.05,
        updateNorm: true,
      }),
    keeps: { data: { save: () => rng.state(), restore: (words) => (rng = rngFromState(words as number[])) } },
    ...(saved ? { saved } : {}),
  });
}
const numbers = ({ tokensPerSecond: _, seconds: __, dataSeconds: ___, ...rest }: StepReport) => rest;
/** As a file would keep it. */
const stored = ({ tensors, state }: TrainingState): TrainingState => ({
  tensors: new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }])),
  state: JSON.parse(JSON.stringify(state)),
});

describe.each(engines)("on %s", (engine) => {
  it.each(["dpt", "sft", "dft"] as const)("%s stopped after every step goes on bit for bit", async (stage) => {
    await useBackend({ engine, blas: false });
    const straight = open(stage, tinyModel(1));
    const wanted: unknown[] = [];
    for await (const report of straight.reports) wanted.push(numbers(report));
    const last = await straight.save();
    straight.dispose();
    expect(wanted).toHaveLength(TOTAL);
    let saved: TrainingState | undefined;
    const got: unknown[] = [];
    for (let i = 0; i < TOTAL; i++) {
      const training = open(stage, tinyModel(1), saved && stored(saved));
      for await (const report of training.reports) {
        got.push(numbers(report));
        break;
      }
      saved = await training.save();
      training.dispose();
    }
    expect(got).toEqual(wanted);
    expect(saved).toEqual(last);
  });
});

it("leaks no tensor, and says how far a step moved the weights", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const student = tinyModel(1);
  const names = trainableNames(stages.sft, student);
  const before = await Promise.all(names.map((name) => valuesOf(student.params.get(name) as Variable)));
  const teacher = memory().numTensors;
  const training = open("sft", student);
  let moved = 0;
  for await (const { updateNorm, step } of training.reports) {
    moved = updateNorm as number;
    if (step === 1)
      expect(moved).toBe(0); // the warm-up's first rate is 0
    else break;
  }
  const after = await Promise.all(names.map((name) => valuesOf(student.params.get(name) as Variable)));
  const squares = after.flatMap((values, i) => [...values].map((x, j) => (x - (before[i]?.[j] as number)) ** 2));
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b)), 5);
  training.dispose();
  expect(memory().numTensors - teacher).toBe(3); // the teacher that `open` made
});

it("hands weights on and refuses what does not fit, changing nothing", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const [first, second] = [tinyModel(1), tinyModel(3)];
  const training = open("dpt", first);
  for await (const _ of training.reports);
  const saved = await training.save();
  training.dispose();
  restoreWeights(saved, second.params);
  for (const [name, value] of first.params)
    expect(await valuesOf(second.params.get(name) as Variable)).toEqual(await valuesOf(value as Variable));
  expect(() => open("sft", second, saved)).toThrow(/other parameters/);
  const wide = tinyModel(4, 5);
  const before = await valuesOf(wide.params.get("head.weight") as Variable);
  expect(() => open("dpt", wide, saved)).toThrow(expect.objectContaining({ code: "KD_WEIGHTS" }));
  expect(() => restoreWeights(saved, wide.params)).toThrow(/"projector\.weight" does not fit/);
  expect(await valuesOf(wide.params.get("head.weight") as Variable)).toEqual(before);
  const without = { ...saved, state: { ...(saved.state as object), keeps: {} } };
  expect(() => open("dpt", tinyModel(1), without)).toThrow(/no "data" to keep/);
  const lacking = new Map(first.params).set("x", variable(zeros([1])));
  lacking.delete("x");
  expect(() =>
    restoreWeights({ ...saved, tensors: new Map([["param.x", { shape: [1], data: new Float32Array(1) }]]) }, lacking),
  ).toThrow(/"x"/);
});
