import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, valuesOf } from "../../test/engines.ts";
import { int32, random } from "../../test/tensors.ts";
import {
  constant,
  grads,
  matMul,
  memory,
  type RowLossesOptions,
  rowLosses,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "../index.ts";

/** The definition, in float64. */
async function reference({ student, teacher, labels, rowWeights, temperature = 1 }: RowLossesOptions) {
  const [s, t] = await Promise.all([student, teacher].map((x) => x && (x as Tensor2D).array()));
  const y = await labels?.array();
  const w = await rowWeights?.array();
  const logSoftmax = (z: number[]): number[] => {
    const m = Math.max(...z);
    const total = m + Math.log(z.reduce((a, x) => a + Math.exp(x - m), 0));
    return z.map((x) => x - total);
  };
  let [ce, kl] = [0, 0];
  for (const [r, row] of (s as number[][]).entries()) {
    const label = y?.[r] ?? -1;
    if (label >= 0) ce -= (w?.[r] ?? 1) * (logSoftmax(row)[label] as number);
    const theirs = t?.[r];
    if (theirs === undefined) continue;
    const common = Math.min(row.length, theirs.length);
    const [q, p] = [row, theirs].map((z) => logSoftmax(z.slice(0, common).map((x) => x / temperature))) as [
      number[],
      number[],
    ];
    for (const [j, l] of p.entries()) kl += (w?.[r] ?? 1) * temperature ** 2 * Math.exp(l) * (l - (q[j] as number));
  }
  return { ce, kl };
}

describe.each(engines)("rowLosses on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const options = (chunkSize = 256) => ({
    labels: int32(3, -100, 0, 12, -1),
    teacher: random(2, 5, 11),
    rowWeights: random(3, 5) as unknown as Tensor1D,
    temperature: 2,
    chunkSize,
  });

  it("is the definition, whatever the chunks", async () => {
    const student = random(1, 5, 13);
    const expected = await reference({ student, ...options() });
    for (const chunkSize of [1, 2, 5, 256]) {
      const { loss, ce, kl } = rowLosses({ student, ...options(chunkSize) });
      expect(await numberOf(ce)).toBeCloseTo(expected.ce, 4);
      expect(await numberOf(kl)).toBeCloseTo(expected.kl, 4);
      expect(await numberOf(loss)).toBeCloseTo(expected.ce + expected.kl, 4);
    }
  });

  it("has the gradient of central differences, dense and through factors", async () => {
    const [hidden, head] = [random(1, 5, 4), random(5, 13, 4)];
    const student = matMul(hidden, head, false, true) as Tensor2D;
    const [dense] = grads((x: Tensor) => rowLosses({ student: x as Tensor2D, ...options(2) }).loss)([student]) as [
      Tensor2D,
    ];
    const data = await valuesOf(student);
    const got = await valuesOf(dense);
    for (const j of data.keys()) {
      const moved = async (by: number): Promise<number> => {
        const values = Float32Array.from(data);
        values[j] = (values[j] as number) + by;
        const { ce, kl } = await reference({ student: tensor(values, [5, 13]) as Tensor2D, ...options() });
        return ce + kl;
      };
      expect(got[j]).toBeCloseTo(((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2, 3);
    }
    const [dHidden, dHead] = grads(
      (h: Tensor, w: Tensor) =>
        rowLosses({ student: { hidden: h as Tensor2D, head: w as Tensor2D }, ...options(2) }).loss,
    )([hidden, head]) as [Tensor, Tensor];
    for (const [got, want] of [
      [dHidden, matMul(dense, head)],
      [dHead, matMul(dense, hidden, true, false)],
    ] as const) {
      const expected = await valuesOf(want);
      for (const [i, x] of (await valuesOf(got)).entries()) expect(x).toBeCloseTo(expected[i] as number, 4);
    }
  });

  it("takes a teacher as factors and gives a constant operand no gradient", async () => {
    const [hidden, head, teacherHidden, teacherHead] = [
      random(1, 5, 4),
      random(5, 13, 4),
      random(6, 5, 3),
      random(7, 17, 3),
    ];
    const teacher = matMul(teacherHidden, teacherHead, false, true) as Tensor2D;
    const student = matMul(hidden, head, false, true) as Tensor2D;
    const dense = await numberOf(rowLosses({ student, teacher }).kl);
    const factors = { hidden: teacherHidden, head: teacherHead };
    const run = (h: Tensor) =>
      rowLosses({ student: { hidden: h as Tensor2D, head: constant(head) }, teacher: factors, chunkSize: 3 }).loss;
    expect(await numberOf(run(hidden))).toBeCloseTo(dense, 4);
    const gradients = grads(run)([hidden]);
    expect(gradients.map((g) => g.shape)).toEqual([[5, 4]]);
  });

  it("is zero with a zero gradient over no rows", async () => {
    const student = random(1, 0, 13);
    const run = (x: Tensor) => rowLosses({ student: x as Tensor2D, labels: int32(), teacher: random(1, 0, 13) });
    expect(await numberOf(run(student).loss)).toBe(0);
    expect(grads((x: Tensor) => run(x).loss)([student])[0]?.shape).toEqual([0, 13]);
    const head = random(5, 13, 4);
    const factors = (h: Tensor, w: Tensor) =>
      rowLosses({ student: { hidden: h as Tensor2D, head: w as Tensor2D }, labels: int32() }).loss;
    const [dh, dw] = grads(factors)([random(1, 0, 4), head]) as [Tensor, Tensor];
    expect(dh.shape).toEqual([0, 4]);
    expect((await valuesOf(dw)).every((x) => x === 0)).toBe(true);
  });

  it("frees everything but its results", () => {
    const [hidden, head] = [random(1, 5, 4), random(5, 13, 4)];
    const given = options(2);
    const run = () => rowLosses({ student: { hidden, head }, ...given });
    tidy(() => void run());
    const before = memory().numTensors;
    const made = run();
    expect(memory().numTensors).toBe(before + 3);
    for (const t of Object.values(made)) t.dispose();
    const gradients = grads(
      (h: Tensor, w: Tensor) => rowLosses({ student: { hidden: h as Tensor2D, head: w as Tensor2D }, ...given }).loss,
    )([hidden, head]);
    expect(memory().numTensors).toBe(before + gradients.length);
  });

  it("names what has the wrong shape", () => {
    const student = random(1, 5, 13);
    expect(() => rowLosses({ student, labels: int32(1) })).toThrow(
      /rowLosses: labels must be \[R\] with R=5, got \[1\]/,
    );
    expect(() => rowLosses({ student, teacher: random(1, 4, 13) })).toThrow(/rowLosses: teacher/);
    expect(() => rowLosses({ student, temperature: 0 })).toThrow(/temperature/);
    if (engine === "wasm" || engine === "tensorflow")
      // the others do not look at labels
      expect(() => rowLosses({ student, labels: int32(1, 2, 13, 0, 0) })).toThrow(/label 13 .*must be below .* 13/);
  });
});
