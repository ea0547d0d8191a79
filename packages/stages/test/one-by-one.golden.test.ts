import type { ImageBatch, TokenBatch } from "@kd/contract";
import type { Tensor } from "@kd/tensor-core";
import { useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, valuesOf } from "../../tensor-core/test/engines.ts";
import { initOptimizerState, stages, type TrainReport, trainableNames, trainStage } from "../src/index.ts";
import { batch, load } from "./training-goldens.ts";

const JUNK = 3; // an id like any other where nothing may be read

/** The samples of a batch, each alone and without its padding. */
function samplesOf(whole: TokenBatch): TokenBatch[] {
  const [B, T] = whole.shape;
  const images = whole.images as (ImageBatch & { kind: "pixels" }) | undefined;
  return Array.from({ length: B }, (_, sample) => {
    const mask = whole.attentionMask.subarray(sample * T, (sample + 1) * T);
    const length = mask.lastIndexOf(1) + 1;
    expect(mask.indexOf(1)).toBe(0); // padded on the right
    const [from, to] = [sample * T, sample * T + length];
    const spans = whole.imageSpans.filter((span) => span.sample === sample);
    const common = {
      inputIds: whole.inputIds.slice(from, to),
      labels: whole.labels.slice(from, to),
      attentionMask: whole.attentionMask.slice(from, to),
      shape: [1, length] as const,
      imageSpans: spans.map((span, image) => ({ ...span, sample: 0, image })),
    };
    if (images === undefined || spans.length === 0) return common;
    const [, ...each] = images.shape;
    const size = each.reduce((a, b) => a * b, 1);
    const data = new Float32Array(spans.length * size);
    for (const [i, { image }] of spans.entries())
      data.set(images.data.subarray(image * size, (image + 1) * size), i * size);
    return { ...common, images: { kind: "pixels" as const, data, shape: [spans.length, ...each] as const } };
  });
}

/** Samples as one batch, padded to a length with junk under a mask of 0. */
function joined(samples: readonly TokenBatch[], { length = 0 } = {}): TokenBatch {
  const T = Math.max(length, ...samples.map(({ shape }) => shape[1]));
  const inputIds = new Int32Array(samples.length * T).fill(JUNK);
  const labels = new Int32Array(samples.length * T).fill(-100);
  const attentionMask = new Uint8Array(samples.length * T);
  const spans: TokenBatch["imageSpans"][number][] = [];
  const pixels: (ImageBatch & { kind: "pixels" })[] = [];
  for (const [sample, one] of samples.entries()) {
    inputIds.set(one.inputIds, sample * T);
    labels.set(one.labels, sample * T);
    attentionMask.set(one.attentionMask, sample * T);
    const before = pixels.reduce((sum, { shape }) => sum + shape[0], 0);
    spans.push(...one.imageSpans.map((span) => ({ ...span, sample, image: before + span.image })));
    if (one.images !== undefined) pixels.push(one.images as ImageBatch & { kind: "pixels" });
  }
  const common = { inputIds, labels, attentionMask, shape: [samples.length, T] as const, imageSpans: spans };
  const [first] = pixels;
  if (first === undefined) return common;
  const data = Float32Array.from(pixels.flatMap((images) => [...images.data]));
  const [, ...each] = first.shape;
  return { ...common, images: { kind: "pixels", data, shape: [spans.length, ...each] } };
}

interface Trained {
  readonly reports: TrainReport[];
  /** Of the last step, unclipped, from the first moments of a first step. */
  readonly gradients: Float32Array[];
  readonly weights: Float32Array[];
}

async function trained(
  steps: readonly (readonly TokenBatch[])[],
  learningRate: number,
  stage: keyof typeof stages = "dft",
): Promise<Trained> {
  const [student, teacher] = [await load("student_init"), await load("teacher")];
  const names = trainableNames(stages[stage], student);
  const state = initOptimizerState(student.params, names);
  const reports: TrainReport[] = [];
  const options = { totalSteps: steps.length, learningRate, maxGradNorm: 1e9, warmupRatio: 0, state };
  for await (const report of trainStage({ stage: stages[stage], student, teacher, steps, ...options }))
    reports.push(report);
  const gradients = await Promise.all(state.m.map(async (m) => (await valuesOf(m)).map((x) => x / 0.1)));
  const weights = await Promise.all(names.map((name) => valuesOf(student.params.get(name) as Tensor)));
  for (const tensor of [...state.m, ...state.v, ...student.params.values(), ...teacher.params.values()])
    (tensor as Tensor).dispose();
  return { reports, gradients, weights };
}

/** Greatest difference, beside the greatest value where that is above 1. */
function apart(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  const scale = a.reduce((most, values) => values.reduce((x, y) => Math.max(x, Math.abs(y)), most), 1);
  return Math.max(...a.flatMap((values, i) => [...values].map((x, j) => Math.abs(x - (b[i]?.[j] as number))))) / scale;
}

function expectSameTerms(got: TrainReport, want: TrainReport, tolerance: number): void {
  for (const [name, value] of Object.entries({ ...want.parts, loss: want.loss })) {
    const other = name === "loss" ? got.loss : (got.parts[name] as number);
    expect(Math.abs(other - value) / Math.max(1, Math.abs(value)), name).toBeLessThan(tolerance);
  }
}

const samples = ["step0", "step2", "step5", "textonly"].flatMap((name) => samplesOf(batch(name)));
const steps = [samples.slice(0, 4), samples.slice(4), [...samples.slice(6), ...samples.slice(0, 2)]];

describe.each(engines)("one by one on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(["pt", "dpt", "sft", "dft"] as const)(
    "a batch of n is n of one in %s: terms to 1e-6, gradients to 1e-5",
    async (stage) => {
      const whole = await trained([[joined(samples)]], 0, stage);
      const alone = await trained([samples], 0, stage);
      expectSameTerms(alone.reports[0] as TrainReport, whole.reports[0] as TrainReport, 1e-6);
      expect(apart(whole.gradients, alone.gradients)).toBeLessThan(1e-5);
      expect(Math.max(...whole.gradients.flatMap((values) => [...values].map(Math.abs)))).toBeGreaterThan(0.01);
      const halves = await trained([[joined(samples.slice(0, 3)), joined(samples.slice(3).reverse())]], 0, stage);
      expectSameTerms(halves.reports[0] as TrainReport, whole.reports[0] as TrainReport, 1e-6);
      expect(apart(whole.gradients, halves.gradients)).toBeLessThan(1e-5);
    },
  );

  it.each(["dpt", "sft", "dft"] as const)(
    "and after three steps of AdamW in %s the weights are the same to 1e-4",
    async (stage) => {
      const whole = await trained(
        steps.map((step) => [joined(step)]),
        2e-3,
        stage,
      );
      const alone = await trained(steps, 2e-3, stage);
      expect(apart(whole.weights, alone.weights)).toBeLessThan(1e-4);
      const [before, after] = [await trained([], 0, stage), whole];
      expect(apart(before.weights, after.weights)).toBeGreaterThan(1e-3);
    },
  );

  it("padding changes no term and no gradient, whatever stands in it", async () => {
    for (const sample of samples.slice(0, 3)) {
      const plain = await trained([[sample]], 0);
      const padded = await trained([[joined([sample], { length: sample.shape[1] + 17 })]], 0);
      expectSameTerms(padded.reports[0] as TrainReport, plain.reports[0] as TrainReport, 1e-6);
      expect(apart(plain.gradients, padded.gradients)).toBeLessThan(1e-5);
    }
  });

  it("a sample's terms are the same beside others, which add nothing of their own here", async () => {
    const other = samplesOf(batch("step5")).map((one) => ({
      inputIds: one.inputIds.map((id, i) =>
        one.imageSpans.some(({ start, length }) => i >= start && i < start + length) ? JUNK : id,
      ),
      labels: one.labels.map(() => -100),
      attentionMask: one.attentionMask,
      shape: one.shape,
      imageSpans: [],
    }));
    for (const sample of samples.slice(0, 3)) {
      const alone = await trained([[sample]], 0);
      for (const company of [
        [sample, ...other],
        [...other, sample],
      ]) {
        const beside = await trained([[joined(company)]], 0);
        expectSameTerms(beside.reports[0] as TrainReport, alone.reports[0] as TrainReport, 1e-6);
        expect(apart(alone.gradients, beside.gradients)).toBeLessThan(1e-5);
      }
    }
  });
});
