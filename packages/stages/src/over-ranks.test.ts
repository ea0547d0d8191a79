import { type AllReduce, KdError } from "@kd/contract";
import { memory, useBackend } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import { stages, type TrainReport, trainStage } from "./index.ts";

/** Ranks of one process: a call waits for the others', then all get the sums in the order of the ranks. */
function createRanks(size: number): AllReduce[] {
  let waiting: { rank: number; arrays: readonly Float32Array[]; go: () => void }[] = [];
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    sum: (arrays) =>
      new Promise<void>((go, stop) => {
        waiting.push({ rank, arrays, go });
        if (waiting.length < size) return;
        const group = waiting.sort((a, b) => a.rank - b.rank);
        waiting = [];
        const lengths = group.map((member) => member.arrays.map((array) => array.length).join());
        if (new Set(lengths).size > 1) stop(new KdError("KD_SHAPE", `ranks bring ${lengths.join(" and ")}`));
        for (const [i, array] of arrays.entries()) {
          const sums = array.map((_, j) => group.reduce((sum, member) => sum + (member.arrays[i]?.[j] as number), 0));
          for (const member of group) member.arrays[i]?.set(sums);
        }
        for (const member of group) member.go();
      }),
  }));
}

/** Four steps of two micro-batches that differ in images, rows and tokens. */
const text = () => tinyBatch({ image: false });
const longer = () => ({ ...tinyBatch(), labels: Int32Array.of(-100, -100, 4, 2, 7) });
const STEPS = [
  [tinyBatch(), longer()],
  [text(), tinyBatch()],
  [longer(), text()],
  [text(), text()],
];

describe.each(syncEngines)("ranks on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  async function run(steps: typeof STEPS, allReduce?: AllReduce) {
    const [student, teacher] = [tinyModel(1), tinyModel(2, 6)];
    const reports: TrainReport[] = [];
    const common = { stage: stages.dft, learningRate: 0.05, totalSteps: 4, warmupRatio: 0 };
    const group = allReduce === undefined ? {} : { allReduce };
    for await (const report of trainStage({ ...common, student, teacher, steps, ...group })) reports.push(report);
    const weights = [...student.params.values()].flatMap((p) => [...p.dataSync()]);
    for (const { params } of [student, teacher]) for (const p of params.values()) p.dispose();
    return { reports, weights };
  }

  it("two with a micro-batch each do what one does with both", async () => {
    const alone = await run(STEPS);
    const before = memory().numTensors;
    const [first, second] = createRanks(2);
    const [a, b] = await Promise.all([
      run(
        STEPS.map((step) => step.slice(0, 1)),
        first,
      ),
      run(
        STEPS.map((step) => step.slice(1)),
        second,
      ),
    ]);
    expect(memory().numTensors).toBe(before);
    expect(a?.weights).toEqual(b?.weights);
    for (const [i, weight] of alone.weights.entries()) expect(a?.weights[i]).toBeCloseTo(weight, 6);
    for (const [i, report] of alone.reports.entries())
      for (const rank of [a, b]) {
        const got = rank?.reports[i] as TrainReport;
        expect([got.step, got.lr]).toEqual([report.step, report.lr]);
        expect(got.loss).toBeCloseTo(report.loss, 5);
        expect(got.gradNorm).toBeCloseTo(report.gradNorm, 5);
        expect(Object.keys(got.parts).sort()).toEqual(Object.keys(report.parts).sort());
        for (const [name, part] of Object.entries(report.parts)) expect(got.parts[name], name).toBeCloseTo(part, 5);
      }
  });

  it("a group of one does what none does", async () => {
    const [only] = createRanks(1);
    const [alone, group] = [await run(STEPS), await run(STEPS, only as AllReduce)];
    expect(group.weights).toEqual(alone.weights);
  });

  it("a rank that fails to sum ends the run with that error and leaves no tensor", async () => {
    const before = memory().numTensors;
    const lost: AllReduce = {
      rank: 0,
      size: 2,
      sum: async ([array]) => {
        if ((array?.length ?? 0) > 8) throw new KdError("KD_BACKEND", "rank 1 is gone");
      },
    };
    const student = tinyModel(1);
    const steps = trainStage({ stage: stages.sft, student, steps: STEPS, totalSteps: 4, allReduce: lost });
    await expect(steps.next()).rejects.toThrow("rank 1 is gone");
    expect(memory().numTensors).toBe(before + student.params.size);
  });
});
