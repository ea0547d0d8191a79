import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toFloat32 } from "@kd/safetensors";
import { memory, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Llava } from "../../mllm/src/index.ts";
import { engines, oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { stages, type TrainReport, trainableNames, trainStage } from "../src/index.ts";
import { batch, load, read, root } from "./training-goldens.ts";

const finals = read("finals.safetensors");
const { runs, chain_nodecay: chain, accumulation } = JSON.parse(readFileSync(join(root, "runs.json"), "utf8"));

interface GoldenStep {
  readonly lr: number;
  readonly ce: number;
  readonly response?: number;
  readonly visual?: number;
  readonly rdist?: number;
  readonly total: number;
  readonly grad_norm: number;
}

async function run(
  stage: keyof typeof stages,
  student: Llava,
  teacher: Llava,
  names: string[][],
  options: object,
): Promise<TrainReport[]> {
  const reports: TrainReport[] = [];
  const steps = names.map((step) => step.map(batch));
  for await (const report of trainStage({
    stage: stages[stage],
    student,
    teacher,
    steps,
    totalSteps: steps.length,
    learningRate: 1,
    ...options,
  }))
    reports.push(report);
  return reports;
}

function expectSteps(got: readonly TrainReport[], want: readonly GoldenStep[]): void {
  expect(got).toHaveLength(want.length);
  for (const [i, step] of want.entries()) {
    const { lr, loss, parts, gradNorm } = got[i] as TrainReport;
    expect(lr).toBeCloseTo(step.lr, 9);
    const near = (x: number | undefined, y: number | undefined, name: string): void => {
      if (y !== undefined)
        expect(Math.abs((x as number) - y), `${name} of step ${i}`).toBeLessThan(2e-5 * Math.max(1, Math.abs(y)));
    };
    near(loss, step.total, "total");
    near(parts.ce, step.ce, "ce");
    near(parts["mdist.response"], step.response, "response");
    near(parts["mdist.visual"], step.visual, "visual");
    near(parts.rdist, step.rdist, "rdist");
    near(gradNorm, step.grad_norm, "gradient norm");
  }
}

async function expectFinals(student: Llava, run: string): Promise<void> {
  let checked = 0;
  for (const [name, value] of student.params) {
    const want = finals.get(`${run}.model.${name.replace("language_model.model.", "language_model.")}`);
    if (want === undefined) continue;
    const expected = toFloat32(want);
    for (const [i, x] of (await valuesOf(value)).entries())
      expect(Math.abs(x - (expected[i] as number)), name).toBeLessThan(1e-4);
    checked++;
  }
  expect(checked).toBeGreaterThanOrEqual(4);
}

const six = Array.from({ length: 6 }, (_, i) => [`step${i}`]);

describe.each(engines)("the PyTorch trajectory on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  // cpu and webgpu have the portable bodies in common; two of their runs are enough and keep the suite short
  const own = engine === "wasm" || engine === "tensorflow";
  const names = Object.keys(runs).filter((name) => own || ["dft_decay", "dpt_nodecay"].includes(name));
  it.each(names)("%s: rates, terms, norms and final weights", async (name) => {
    const { stage, peak_lr, weight_decay, warmup_ratio, steps } = runs[name];
    const [student, teacher] = [await load("student_init"), await load("teacher")];
    const batches = name.includes("textonly") ? six.map((step, i) => (i === 2 ? ["textonly"] : step)) : six;
    const options = { learningRate: peak_lr, weightDecay: weight_decay, warmupRatio: warmup_ratio };
    const before = memory().numTensors;
    expectSteps(await run(stage, student, teacher, batches, options), steps);
    expect(memory().numTensors).toBe(before);
    await expectFinals(student, name);
  });

  it("dpt, sft and dft one after the other hand the weights on", async () => {
    if (engine === "cpu") return;
    const [student, teacher] = [await load("student_init"), await load("teacher")];
    for (const { stage, peak_lr, steps } of chain)
      expectSteps(await run(stage, student, teacher, six, { learningRate: peak_lr }), steps);
    await expectFinals(student, "chain_nodecay");
  });

  it("two micro-batches are one batch of their sum", async () => {
    const [student, teacher] = [await load("student_init"), await load("teacher")];
    const [report] = await run("dft", student, teacher, [["accum0", "accum1"]], { learningRate: 0 });
    expectSteps([report as TrainReport], [{ lr: 0, ...accumulation.global }]);
  });
});

it("a stage that distils asks for its teacher", async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
  const student = await load("student_init");
  expect(() => trainStage({ stage: stages.dft, student, steps: [], totalSteps: 1 })).toThrow(/needs a teacher/);
  expect(trainableNames(stages.dpt, student).every((name) => name.startsWith("multi_modal_projector"))).toBe(true);
});
