import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TokenBatch } from "@kd/contract";
import { memory, type Tensor, useBackend, type VisionLanguageModel } from "@kd/tensor-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tinyLlava, tinyPixels } from "../../../mllm/test/tiny-llava.ts";
import { engines } from "../../../tensor-core/test/engines.ts";
import { stages, type TeacherRows, type TrainReport, type TrainStageOptions, trainStage } from "../index.ts";
import { cacheTeacher, openTeacherRows, type StoredTeacherRows, type TeacherRowsOptions } from "./index.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kd-teacher-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A picture's four tokens, a question and an answer; `left` pads on the left. */
function sample(picture: number, text: readonly number[], answer: number, length = 9, left = false) {
  const ids = [19, 19, 19, 19, ...text];
  const labels = ids.map((id, t) => (t >= ids.length - answer ? id : -100));
  const [pads, after] = left ? [length - ids.length, 0] : [0, length - ids.length];
  const pad = <T>(values: readonly T[], value: T): T[] => [
    ...new Array(pads).fill(value),
    ...values,
    ...new Array(after).fill(value),
  ];
  return {
    ids: pad(ids, 0),
    labels: pad(labels, -100),
    mask: pad(
      ids.map(() => 1),
      0,
    ),
    start: pads,
    picture,
  };
}

function batchOf(samples: readonly ReturnType<typeof sample>[]): TokenBatch {
  const all = tinyPixels(4);
  const size = 8 * 8 * 3;
  const data = new Float32Array(samples.length * size);
  for (const [i, { picture }] of samples.entries())
    data.set(all.data.subarray(picture * size, (picture + 1) * size), i * size);
  return {
    inputIds: Int32Array.from(samples.flatMap(({ ids }) => ids)),
    labels: Int32Array.from(samples.flatMap(({ labels }) => labels)),
    attentionMask: Uint8Array.from(samples.flatMap(({ mask }) => mask)),
    shape: [samples.length, samples[0]?.ids.length as number],
    imageSpans: samples.map(({ start }, i) => ({ sample: i, start, length: 4, image: i })),
    images: { kind: "pixels", data, shape: [samples.length, 8, 8, 3] },
  };
}

const one = sample(0, [3, 4, 5], 2);
const two = sample(1, [6, 7, 8, 9], 1);
const three = sample(0, [10, 4, 11, 2, 3], 3); // another question about the first picture
const batch = batchOf([one, two, three]);

interface Teacher extends VisionLanguageModel {
  /** Samples that it has read. */
  readonly read: () => number;
}
async function teacherOf(seed = 2): Promise<Teacher> {
  const model = await tinyLlava(seed);
  let read = 0;
  return {
    ...model,
    read: () => read,
    forward: (batch, options) => {
      read += batch.shape[0];
      return model.forward(batch, options);
    },
  };
}
const free = ({ params }: VisionLanguageModel): void => {
  for (const tensor of params.values()) (tensor as Tensor).dispose();
};

async function losses(
  teacher: VisionLanguageModel | TeacherRows,
  options: Partial<TrainStageOptions> = {},
): Promise<TrainReport[]> {
  const student = await tinyLlava(1);
  const reports: TrainReport[] = [];
  const steps = [[batch], [batchOf([two]), batchOf([three])]];
  const run = { stage: stages.dft, student, teacher, steps, totalSteps: 2, learningRate: 0.01, warmupRatio: 0 };
  for await (const report of trainStage({ ...run, ...options })) reports.push(report);
  free(student);
  return reports;
}

async function opened(options: Partial<TeacherRowsOptions> = {}): Promise<StoredTeacherRows> {
  return openTeacherRows(folder, { identity: "teacher", ...options });
}

function expectClose(got: readonly TrainReport[], expected: readonly TrainReport[], tolerance: number): void {
  expect(got).toHaveLength(expected.length);
  for (const [i, { parts, loss }] of expected.entries())
    for (const [name, value] of Object.entries({ ...parts, loss })) {
      const other = name === "loss" ? got[i]?.loss : got[i]?.parts[name];
      expect(Math.abs((other as number) - value), `${name} of step ${i + 1}`).toBeLessThan(tolerance);
    }
}

describe.each(engines)("on %s", (engine) => {
  beforeEach(async () => {
    await useBackend({ engine, blas: false });
  });

  it("train without the teacher as with it: float32 to last bits, float16 to 2e-3, the top few below", async () => {
    const teacher = await teacherOf();
    const online = await losses(teacher);
    for (const [options, tolerance] of [
      [{ response: "hidden", dtype: "F32" }, 1e-5],
      [{ response: { topK: 20 }, dtype: "F32" }, 1e-5], // k = V: all ids
      [{ response: "hidden" }, 2e-3],
      [{ response: { topK: 20 } }, 2e-3],
      [{}, 2e-3],
    ] as const) {
      const filling = await opened({ ...options, teacher });
      for await (const _ of cacheTeacher(filling, [batch]));
      filling.close();
      const rows = await opened(options);
      expectClose(await losses(rows), online, tolerance);
      rows.close();
    }
    const few = await opened({ response: { topK: 3 }, teacher });
    const [first] = await losses(few);
    few.close();
    const full = online[0]?.parts["mdist.response"] as number;
    expect(first?.parts["mdist.response"]).toBeLessThan(full);
    expect(first?.parts["mdist.response"]).toBeGreaterThan(0);
    expect(first?.parts["mdist.visual"]).toBeCloseTo(online[0]?.parts["mdist.visual"] as number, 2);
    free(teacher);
  });

  it("leaves no tensor behind", async () => {
    const teacher = await teacherOf();
    const filling = await opened({ teacher, response: { topK: 5 } });
    await filling.fill(batchOf([one])); // engines keep a few things at first use
    const before = memory().numTensors;
    await filling.fill(batch);
    await filling.rows(batch);
    expect(memory().numTensors).toBe(before);
    filling.close();
    const rows = await opened({ response: { topK: 5 } });
    await rows.rows(batch);
    expect(memory().numTensors).toBe(before + 1); // the head
    rows.close();
    expect(memory().numTensors).toBe(before);
    free(teacher);
  });
});

describe("the folder", () => {
  beforeEach(async () => {
    await useBackend({ engine: engines.includes("wasm") ? "wasm" : (engines[0] as "cpu"), blas: false });
  });

  it("has one entry of visual rows for every question about a picture, whatever is beside it and however it is padded", async () => {
    const teacher = await teacherOf();
    const rows = await opened({ teacher });
    expect(await rows.fill(batch)).toBe(3);
    expect(rows.size().entries).toBe(2 + 3); // two pictures, three answers
    expect(await rows.fill(batchOf([three, one]))).toBe(0);
    expect(await rows.fill(batchOf([sample(1, [6, 7, 8, 9], 1, 12, true)]))).toBe(0);
    expect(teacher.read()).toBe(3);
    expect(await rows.fill(batchOf([one, sample(0, [3, 6, 5], 2)]))).toBe(1); // the one that is new alone
    expect(teacher.read()).toBe(4);
    expect(rows.size().entries).toBe(6);
    const whole = await rows.rows(batch);
    const picked = await rows.rows(batchOf([three]));
    expect(picked.visual.hidden).toEqual(whole.visual.hidden.subarray(0, 32)); // the first picture's
    rows.close();
    free(teacher);
  });

  it("gives what a batch of all would have given when some were there", async () => {
    const teacher = await teacherOf();
    const pieces = await opened({ teacher, dtype: "F32" });
    for (const some of [[two], [one, two], [one, two, three]]) await pieces.fill(batchOf(some));
    const { response, visual } = (await pieces.rows(batch)) as {
      response: { hidden: Float32Array };
      visual: { hidden: Float32Array };
    };
    pieces.close();
    const fresh = await openTeacherRows(join(folder, "fresh"), { identity: "teacher", teacher, dtype: "F32" });
    const expected = (await fresh.rows(batch)) as typeof response & {
      response: typeof response;
      visual: typeof visual;
    };
    fresh.close();
    for (const [got, wanted] of [
      [response, expected.response],
      [visual, expected.visual],
    ] as const) {
      expect(got.hidden).toHaveLength(wanted.hidden.length);
      for (const [i, x] of wanted.hidden.entries()) expect(got.hidden[i]).toBeCloseTo(x, 5);
    }
    free(teacher);
  });

  it("names the sample that is missing, and never takes another teacher's, picture's, prompt's or form's rows", async () => {
    const teacher = await teacherOf();
    const filling = await opened({ teacher });
    await filling.fill(batchOf([one, two]));
    const rows = await opened();
    await expect(rows.rows(batch)).rejects.toThrow(
      /no rows of the teacher for sample 2 of the micro-batch \(9 tokens: 19 19 19 19 10 4 11 2 3\); fill them with cacheTeacher/,
    );
    await expect(losses(rows)).rejects.toThrow(/^dft, step 1, micro-batch 1: .*for sample 2/);
    const changed = { ...one, labels: one.labels.map((label, t) => (t === 5 ? -100 : label)) };
    for (const other of [{ ...one, picture: 2 }, sample(0, [3, 5, 5], 2), changed])
      await expect(rows.rows(batchOf([other]))).rejects.toMatchObject({ code: "KD_DATA" });
    await expect(opened({ identity: "other" })).rejects.toThrow(
      /no head of teacher other…, or a damaged one; fill it with cacheTeacher/,
    );
    for (const form of [{ response: { topK: 4 } }, { dtype: "F32" }] as const) {
      const otherForm = await opened(form);
      await expect(otherForm.rows(batchOf([one]))).rejects.toMatchObject({ code: "KD_DATA" });
      otherForm.close();
    }
    const nextTeacher = await teacherOf(3);
    const next = await opened({ identity: "next", teacher: nextTeacher });
    expect(await next.fill(batchOf([one]))).toBe(1);
    next.close();
    rows.close();
    filling.close();
    free(teacher);
    free(nextTeacher);
  });

  it("goes on with a filling that was stopped, and computes damaged rows again", async () => {
    const teacher = await teacherOf();
    const filling = await opened({ teacher });
    for await (const progress of cacheTeacher(filling, [batchOf([one]), batchOf([two])])) {
      expect(progress).toMatchObject({ batches: 1, samples: 1, computed: 1, entries: 2 });
      break;
    }
    filling.close();
    const data = join(folder, readdirSync(folder).find((name) => name.endsWith(".data")) as string);
    const again = await opened({ teacher });
    const last = [];
    for await (const progress of cacheTeacher(again, [batchOf([one]), batchOf([two])])) last.push(progress.computed);
    expect(last).toEqual([0, 1]);
    const expected = await again.rows(batchOf([one, two]));
    again.close();

    const bytes = readFileSync(data); // of the first sample: its response, its picture
    for (const at of [20, bytes.length - 20]) bytes[at] = (bytes[at] as number) ^ 64;
    writeFileSync(data, bytes);
    const reader = await opened();
    await expect(reader.rows(batchOf([one]))).rejects.toThrow(/no rows of the teacher for sample 0/);
    expect(reader.notices).toEqual([expect.stringContaining("is damaged and not used")]);
    reader.close();
    const damaged = await opened({ teacher });
    expect(await damaged.fill(batchOf([one, two]))).toBe(1);
    damaged.close();
    for (const name of readdirSync(folder)
      .filter((name) => name.endsWith(".data"))
      .sort()
      .slice(-1))
      truncateSync(join(folder, name), 0); // what was computed again is lost, too
    const repairing = await opened({ teacher });
    expect(await repairing.rows(batchOf([one, two]))).toEqual(expected);
    repairing.close();
    const repaired = await opened();
    expect(await repaired.rows(batchOf([one, two]))).toEqual(expected);
    repaired.close();

    truncateSync(data, 10);
    const cut = await opened();
    expect(await cut.rows(batchOf([two]))).toEqual(await cut.rows(batchOf([two])));
    cut.close();
    free(teacher);
  });

  it("never takes a damaged head, and writes it again", async () => {
    const teacher = await teacherOf();
    const filling = await opened({ teacher });
    const expected = await losses(filling);
    filling.close();
    const head = join(folder, readdirSync(folder).find((name) => name.startsWith("head-")) as string);
    const whole = readFileSync(head);
    const flipped = Uint8Array.from(whole);
    flipped[whole.length - 9] = (flipped[whole.length - 9] as number) ^ 1;
    for (const damaged of [flipped, whole.subarray(0, whole.length - 9), whole.subarray(0, 4)]) {
      writeFileSync(head, damaged);
      await expect(opened()).rejects.toThrow(/no head of teacher teacher…, or a damaged one/);
      (await opened({ teacher })).close();
      expect(readFileSync(head).equals(whole)).toBe(true);
    }
    const rows = await opened();
    expect((await losses(rows)).map(({ loss }) => loss)).toEqual(expected.map(({ loss }) => loss));
    rows.close();
    free(teacher);
  });

  it("asks for a teacher that is a function once something is missing, not before", async () => {
    const teacher = await teacherOf();
    let loaded = 0;
    const lazy = async () => {
      loaded++;
      return teacher;
    };
    const filling = await opened({ teacher: lazy });
    expect(loaded).toBe(1); // its head was not there
    await filling.fill(batchOf([one, two]));
    filling.close();
    const rows = await opened({ teacher: lazy });
    expect(await rows.fill(batchOf([one, two]))).toBe(0);
    await rows.rows(batchOf([two]));
    expect(loaded).toBe(1);
    await rows.rows(batch); // with a third sample
    await rows.rows(batchOf([sample(0, [3, 6, 5], 2)]));
    expect([loaded, teacher.read()]).toEqual([2, 4]);
    rows.close();
    free(teacher);
  });

  it("refuses a form that cannot be, and rows for another temperature", async () => {
    const teacher = await teacherOf();
    await expect(opened({ teacher, response: { topK: 21 } })).rejects.toThrow(
      /response.topK must be a whole number from 1 to 20, got 21/,
    );
    await expect(opened({ teacher, vocabulary: 21 })).rejects.toThrow(/vocabulary must be a whole number from 1 to 20/);
    await expect(opened({ teacher, temperature: 0 })).rejects.toThrow(/temperature must be above 0/);
    const rows = await opened({ teacher, response: { topK: 4 }, temperature: 2 });
    await expect(losses(rows)).rejects.toThrow(/top-k rows are of temperature 2, the loss asks for 1/);
    await expect(losses(rows, { temperature: 2 })).resolves.toHaveLength(2);
    await expect(losses(rows, { temperature: 2, divergence: { kind: "reverseKl" } })).rejects.toMatchObject({
      code: "KD_CONFIG",
    });
    rows.close();
    free(teacher);
  });

  it("takes rows from anywhere, and refuses too few of them", async () => {
    const teacher = await teacherOf();
    const stored = await opened({ teacher, dtype: "F32" });
    const own: TeacherRows = { head: teacher.head, rows: (batch) => stored.rows(batch) };
    expectClose(await losses(own), await losses(teacher), 1e-5);
    const few: TeacherRows = {
      head: teacher.head,
      rows: async (batch) => ({ ...(await stored.rows(batch)), visual: { hidden: new Float32Array(8) } }),
    };
    await expect(losses(few)).rejects.toThrow(/teacher's visual rows must be the batch's 12, got 1/);
    stored.close();
    free(teacher);
  });
});
