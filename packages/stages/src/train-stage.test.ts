import { createRng, useBackend, type Variable } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import { presets, stages, type TrainReport, type TrainStageOptions, trainStage } from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
});

async function first(options: Partial<TrainStageOptions> = {}): Promise<TrainReport> {
  const [student, teacher] = [tinyModel(1), tinyModel(2, 6)];
  const steps = [[tinyBatch()]];
  const run = trainStage({ stage: stages.dft, student, teacher, steps, totalSteps: 1, ...options });
  const { value } = await run.next();
  await run.return();
  return value as TrainReport;
}

it("reports every term without its weight, and adds them up with it", async () => {
  const { loss, parts } = await first();
  expect(Object.keys(parts)).toEqual(["ce", "mdist.response", "mdist.visual", "rdist"]);
  const { ce, "mdist.response": response, "mdist.visual": visual, rdist } = parts as Record<string, number>;
  const [a, b, c, d] = [ce, response, visual, rdist] as [number, number, number, number];
  expect(Math.min(a, b, c, d)).toBeGreaterThan(0.01);
  expect(loss).toBeCloseTo(a + b + c + 0.5 * d, 5);
  const other = await first({ weights: { ...presets.paper, alpha: 0.25, beta: 3, gamma: 2 } });
  for (const [name, value] of Object.entries(parts)) expect(other.parts[name], name).toBeCloseTo(value, 5);
  expect(other.loss).toBeCloseTo(a + 0.25 * b + 3 * c + 2 * d, 4);
});

it("takes any divergence: the reverse KL is the forward one of teacher and student in each other's place", async () => {
  const models = [tinyModel(1), tinyModel(2, 6)] as const;
  const reverse = await first({ student: models[0], teacher: models[1], divergence: { kind: "reverseKl" } });
  const swapped = await first({ student: models[1], teacher: models[0] });
  for (const term of ["mdist.response", "mdist.visual"]) {
    expect(reverse.parts[term], term).toBeCloseTo(swapped.parts[term] as number, 4);
    expect(Math.abs((reverse.parts[term] as number) - ((await first()).parts[term] as number))).toBeGreaterThan(1e-3);
  }
});

it("reports terms of weight 0 as 0", async () => {
  const { loss, parts } = await first({ weights: { ...presets.paper, alpha: 0, beta: 0, gamma: 0 } });
  expect(parts).toEqual({ ce: loss, "mdist.response": 0, "mdist.visual": 0, rdist: 0 });
  expect(loss).toBeCloseTo((await first({ stage: stages.sft })).loss, 6);
});

it("distils the relation that the weights say, between vocabularies of different size too", async () => {
  const of = async (rdist: (typeof presets)["paper"]["rdist"]) =>
    (await first({ weights: { alpha: 0, beta: 0, gamma: 1, rdist } })).parts.rdist as number;
  const values = [];
  for (const rdist of [{}, { over: "own-vocabulary" }, { over: "hidden" }, { unitRows: true }] as const)
    values.push(await of(rdist));
  expect(values[1]).toBeCloseTo(values[0] as number, 6); // of equal size: the same ids
  expect(new Set(values.map((value) => value.toFixed(4))).size).toBe(3);
  expect(await of({ flavour: "whole-batch" })).toBeCloseTo(values[0] as number, 6); // one image
  expect(await of({ centre: "both" })).toBeLessThan(1);
});

it("has the visual terms at 0 on text alone, where the projector keeps still", async () => {
  const student = tinyModel(1);
  const projector = student.params.get("projector.weight") as Variable;
  const before = await valuesOf(projector);
  const { parts } = await first({ student, steps: [[tinyBatch({ image: false })]], warmupRatio: 0 });
  expect(parts["mdist.response"]).toBeGreaterThan(0);
  expect([parts["mdist.visual"], parts.rdist]).toEqual([0, 0]);
  expect(await valuesOf(projector)).toEqual(before);
});

it("trains what the stage names, and the cross-entropy alone without distillation", async () => {
  const student = tinyModel(1);
  const head = student.params.get("head.weight") as Variable;
  const before = await valuesOf(head);
  expect((await first({ stage: stages.pt, student, warmupRatio: 0 })).parts).toEqual({ ce: expect.any(Number) });
  expect(await valuesOf(head)).toEqual(before);
  await first({ stage: stages.sft, student, warmupRatio: 0, learningRate: 0.1 });
  expect(await valuesOf(head)).not.toEqual(before);
});

it("asks the student, and not the teacher, for gradient checkpointing", async () => {
  const asked: unknown[] = [];
  const watched = (seed: number, width?: number) => {
    const model = tinyModel(seed, width);
    return {
      ...model,
      forward: (...[batch, options]: Parameters<typeof model.forward>) => {
        asked.push(options?.gradientCheckpointing);
        return model.forward(batch, options);
      },
    };
  };
  await first({ student: watched(1), teacher: watched(2, 6), gradientCheckpointing: true });
  expect(asked).toEqual([undefined, true]);
});

it("gives the student what its dropout draws from, and the teacher nothing", async () => {
  const drawn: unknown[] = [];
  const watched = (seed: number, width?: number) => {
    const model = tinyModel(seed, width);
    return {
      ...model,
      forward: (...[batch, options]: Parameters<typeof model.forward>) => {
        drawn.push(options?.rng?.next());
        return model.forward(batch, options);
      },
    };
  };
  const rng = createRng(3);
  await first({ student: watched(1), teacher: watched(2, 6), rng });
  expect(drawn).toEqual([undefined, createRng(3).next()]);
  expect(rng.state()).not.toEqual(createRng(3).state());
});

it("names a label outside the vocabulary and a step without batches", async () => {
  const bad = { ...tinyBatch(), labels: Int32Array.of(-100, -100, -100, 2, 11) };
  await expect(first({ steps: [[bad]] })).rejects.toThrow(/label 11 at flat position 4/);
  await expect(first({ steps: [[]] })).rejects.toMatchObject({ code: "KD_DATA" });
});
