import { KdError, type StepReport, type TokenBatch, type TrainingState } from "@kd/contract";
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

type Steps = AsyncIterable<readonly TokenBatch[]>;
const broken = (): never => {
  throw new KdError("KD_DATA", "a broken picture");
};
const unreal = (batch: TokenBatch): TokenBatch =>
  batch.images === undefined
    ? batch
    : { ...batch, images: { ...batch.images, data: new Float32Array(6).fill(Number.NaN) } };

const labels = (first: number): Int32Array => Int32Array.of(-100, -100, -100, first, 7);

/** What becomes of the failing step, which has two micro-batches; each draws from the stream before it fails. */
const failures: Readonly<Record<string, (step: () => readonly TokenBatch[]) => readonly TokenBatch[]>> = {
  "half of its data read": (step) => step().slice(1).map(broken),
  "all of its data read": (step) => (step().length > 0 ? broken() : []),
  "its loss not finite": (step) => step().map(unreal),
};

it.each(Object.keys(failures))(
  "saves the state before a step that failed with %s, which goes on bit for bit",
  async (how) => {
    await useBackend({ engine: oneEngine("cpu"), blas: false });
    const draws = (student: ReturnType<typeof tinyModel>, fails = TOTAL, saved?: TrainingState) => {
      const rng = { now: createRng(5) };
      const step = () => Array.from({ length: 2 }, () => ({ ...tinyBatch(), labels: labels(rng.now.int(9)) }));
      return resumable({
        params: student.params,
        trainable: trainableNames(stages.sft, student),
        totalSteps: TOTAL,
        step: (index) => (index === fails ? failures[how]?.(step) : step()) ?? [],
        train: (steps: Steps, state) =>
          trainStage({ stage: stages.sft, student, steps, state, totalSteps: TOTAL, learningRate: 0.05 }),
        keeps: {
          data: { save: () => rng.now.state(), restore: (words) => (rng.now = rngFromState(words as number[])) },
        },
        ...(saved ? { saved } : {}),
      });
    };
    const wanted: unknown[] = [];
    for await (const report of draws(tinyModel(1)).reports) wanted.push(numbers(report));
    for (const fails of [1, 3, 5]) {
      const got: unknown[] = [];
      const student = tinyModel(1);
      const tensors = memory().numTensors;
      const failing = draws(student, fails);
      const ends = async () => {
        for await (const report of failing.reports) got.push(numbers(report));
      };
      await expect(ends()).rejects.toMatchObject({ code: how.includes("loss") ? "KD_DIVERGED" : "KD_DATA" });
      expect(got).toHaveLength(fails);
      const saved = stored(await failing.save());
      failing.dispose();
      expect(memory().numTensors).toBe(tensors);
      for await (const report of draws(tinyModel(2), TOTAL, saved).reports) got.push(numbers(report));
      expect(got).toEqual(wanted);
    }
  },
);

it("refuses to save a step that failed while it changed the weights", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const { params } = tinyModel(1);
  const training = resumable({
    params,
    trainable: ["head.weight"],
    totalSteps: TOTAL,
    step: () => [tinyBatch()],
    train: async function* (steps: Steps, state): AsyncGenerator<StepReport> {
      for await (const _ of steps) {
        state.step++;
        if (state.step === 2) broken();
        yield { step: state.step, loss: 1, parts: {}, lr: 1, gradNorm: 1, tokensPerSecond: 1 };
      }
    },
  });
  const ends = async () => {
    for await (const { step } of training.reports) expect((await training.save()).state).toMatchObject({ step });
  };
  await expect(ends()).rejects.toThrow("a broken picture");
  await expect(training.save()).rejects.toMatchObject({
    code: "KD_WEIGHTS",
    message: expect.stringContaining("step 2 stopped while it changed the weights"),
  });
  training.dispose();
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
