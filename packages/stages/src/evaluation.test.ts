import { responseRows } from "@kd/contract";
import { memory, tensor, topKRows, useBackend, type VisionLanguageModel } from "@kd/tensor-core";
import { beforeAll, expect, it } from "vitest";
import { oneEngine, valuesOf } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import { createEvaluation, stages, type TeacherRows, tokenRelation, trainStage } from "./index.ts";

beforeAll(async () => {
  await useBackend({ engine: oneEngine("cpu"), blas: false });
});
const batches = [tinyBatch(), tinyBatch({ image: false })];

/** Hidden states of rows, as they would be kept. */
async function hiddenOf(model: VisionLanguageModel, batch: (typeof batches)[number], rows: ArrayLike<number>) {
  const { hidden } = model.forward(batch);
  const [data, width] = [await valuesOf(hidden), hidden.shape[2]];
  hidden.dispose();
  return Float32Array.from(Array.from(rows).flatMap((row) => [...data.slice(row * width, (row + 1) * width)]));
}

it("measures what training reports, and that a teacher agrees with itself", async () => {
  const [student, teacher] = [tinyModel(1), tinyModel(2, 6)];
  const before = memory().numTensors;
  const measure = await createEvaluation({ batches, teacher });
  const measured = await measure(student);
  expect(memory().numTensors).toBe(before);
  const itself = await measure(teacher);
  expect(itself.agreement).toBe(1);
  expect(itself.kl).toBeCloseTo(0, 6);
  const run = trainStage({ stage: stages.dft, student, teacher, steps: [batches], totalSteps: 1 });
  const { parts } = (await run.next()).value as { parts: Record<string, number> };
  await run.return();
  expect(measured.loss).toBeCloseTo(parts.ce as number, 5);
  expect(measured.kl).toBeCloseTo(parts["mdist.response"] as number, 5);
  expect(await (await createEvaluation({ batches }))(tinyModel(1))).toEqual({ loss: measured.loss });
});

it("counts equal first choices", async () => {
  const [student, teacher] = [tinyModel(3), tinyModel(4)];
  const first = async (model: VisionLanguageModel, batch: (typeof batches)[number]): Promise<number[]> => {
    const hidden = await hiddenOf(model, batch, responseRows(batch));
    const [head, width] = [await valuesOf(model.head), model.head.shape[1]];
    return responseRows(batch).length === 0
      ? []
      : Array.from({ length: hidden.length / width }, (_, r) => {
          const logits = Array.from({ length: model.head.shape[0] }, (_, v) =>
            Array.from(
              { length: width },
              (_, d) => (hidden[r * width + d] as number) * (head[v * width + d] as number),
            ).reduce((a, b) => a + b),
          );
          return logits.indexOf(Math.max(...logits));
        });
  };
  let [same, all] = [0, 0];
  for (const batch of batches)
    for (const [i, id] of (await first(student, batch)).entries()) {
      all++;
      if ((await first(teacher, batch))[i] === id) same++;
    }
  const { agreement } = await (await createEvaluation({ batches, teacher }))(student);
  expect(agreement).toBe(same / all);
  expect(all).toBe(4);
});

it("takes rows that were kept, hidden states and all of the ids", async () => {
  const [student, teacher] = [tinyModel(1), tinyModel(2)];
  const { head } = teacher;
  const wanted = await (await createEvaluation({ batches, teacher }))(student);
  const hidden: TeacherRows = {
    head,
    rows: async (batch) => ({
      response: { hidden: await hiddenOf(teacher, batch, responseRows(batch)) },
      visual: { hidden: new Float32Array(0) },
    }),
  };
  const top: TeacherRows = {
    head,
    rows: async (batch) => {
      const flat = teacher.forward(batch).hidden;
      const rows = await hiddenOf(teacher, batch, responseRows(batch));
      const made = topKRows({ hidden: tensor(rows, [responseRows(batch).length, flat.shape[2]]) as never, head }, 11);
      const [ids, logProbs, tailMass] = [
        await made.ids.data(),
        await valuesOf(made.logProbs),
        await made.tailMass?.data(),
      ];
      return {
        response: {
          ids: ids as Int32Array,
          logProbs: Float32Array.from(logProbs),
          tailMass: tailMass as Float32Array,
          vocabulary: 11,
          temperature: 1,
        },
        visual: { hidden: new Float32Array(0) },
      };
    },
  };
  for (const kept of [hidden, top]) {
    const got = await (await createEvaluation({ batches, teacher: kept }))(student);
    expect(got.agreement).toBe(wanted.agreement);
    expect(got.kl).toBeCloseTo(wanted.kl as number, 5);
    expect(got.loss).toBeCloseTo(wanted.loss, 6);
  }
});

it("shows how a picture's tokens relate, and how far that is from the teacher", async () => {
  const [student, teacher] = [tinyModel(1), tinyModel(2, 6)];
  const batch = tinyBatch();
  const before = memory().numTensors;
  const ours = await tokenRelation(batch, { model: student, teacher });
  expect(memory().numTensors).toBe(before);
  expect([...ours.values].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([1, -1, -1, 1]); // two tokens, centred
  const kept: TeacherRows = {
    head: teacher.head,
    rows: async (asked) => ({
      response: { hidden: new Float32Array(0) },
      visual: { hidden: await hiddenOf(teacher, asked, [0, 1]) },
    }),
  };
  const theirs = await tokenRelation(batch, { model: kept, teacher });
  expect(theirs.distance).toBeCloseTo(0, 5);
  expect(await tokenRelation(batch, { model: student, teacher: kept })).toEqual(ours);
});
