import { describe, expect, it } from "vitest";
import {
  createRng,
  type Divergence,
  grads,
  rowLosses,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
} from "../index.ts";
import { type DivergenceForm, formOf } from "./divergence.ts";
import { portableRowLosses } from "./row-losses-portable.ts";

const V = 151_936; // Qwen's

/** Logits of two rows, student and teacher. */
const CASES: Record<string, (draw: () => number) => [number, number]> = {
  "far apart, up to 50": (draw) => [50 * draw(), 50 * draw()],
  "up to 50, and all but equal": (draw) => {
    const x = 50 * draw();
    return [x + 0.01 * draw(), x];
  },
  "nearly flat, shifted by 40": (draw) => [40 + draw(), -draw()],
};
const DIVERGENCES: Divergence[] = [
  { kind: "forwardKl" },
  { kind: "softCrossEntropy" },
  { kind: "reverseKl" },
  { kind: "symmetricKl" },
  { kind: "totalVariation" },
  { kind: "jsd", beta: 0.5 },
  { kind: "jsd", beta: 0.1 },
  { kind: "skewedForwardKl", alpha: 0.1 },
  { kind: "skewedReverseKl", alpha: 0.1 },
];

function rowsOf(logits: (typeof CASES)[string]): [Float32Array, Float32Array] {
  const rng = createRng(3);
  const [student, teacher] = [new Float32Array(V), new Float32Array(V)];
  for (let j = 0; j < V; j++) [student[j], teacher[j]] = logits(() => 2 * rng.next() - 1) as [number, number];
  return [student, teacher];
}

/** In float64: the divergence, the same with every term's size, and the student's gradient. */
function reference(student: Float32Array, teacher: Float32Array, { loop, a, b, share, rest }: DivergenceForm) {
  const logs = (z: Float32Array): Float64Array => {
    const top = z.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
    const total = top + Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
    return Float64Array.from(z, (x) => x - total);
  };
  const [logQ, logP] = [logs(student), logs(teacher)];
  const h = new Float64Array(V);
  let [value, size, sum] = [0, 0, 0];
  for (let j = 0; j < V; j++) {
    const [lp, lq] = [logP[j] as number, logQ[j] as number];
    const [p, q] = [Math.exp(lp), Math.exp(lq)];
    const [x, y] = [Math.log(share) + lp, Math.log(rest) + lq];
    const logM = Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)));
    let terms: number[];
    if (loop === "forward") [terms, h[j]] = [[p * (lp - lq)], q - p];
    else if (loop === "cross") [terms, h[j]] = [[-p * lq], q - p];
    else if (loop === "variation") [terms, h[j]] = [[Math.abs(p - q) / 2], (q * Math.sign(q - p)) / 2];
    else if (loop === "pair") [terms, h[j]] = [[a * p * (lp - lq), b * q * (lq - lp)], a * (q - p) + b * q * (lq - lp)];
    else {
      const [overP, overQ] = [lp - logM, lq - logM];
      terms = [a * p * overP, b * q * overQ];
      h[j] = q * (b * overQ - rest * (a * Math.exp(overP) + b * Math.exp(overQ)));
    }
    for (const term of terms) {
      value += term;
      size += Math.abs(term);
    }
    sum += h[j] as number;
  }
  return { value, size, gradient: h.map((x, j) => x - Math.exp(logQ[j] as number) * sum) };
}

describe.each(Object.keys(CASES))("at V 151,936, %s", (name) => {
  const [student, teacher] = rowsOf(CASES[name] as (typeof CASES)[string]);
  const column = (values: Float32Array) => tensor(values, [V, 1]) as Tensor2D;
  const row = (values: Float32Array) => tensor(values, [1, V]) as Tensor2D;

  it.each(DIVERGENCES)(
    "the kernel is within 1e-6 of the terms' sizes, its gradient within 1e-6: %o",
    async (divergence) => {
      await useBackend({ engine: "wasm", blas: false });
      const { value, size, gradient } = reference(student, teacher, formOf("test", divergence));
      tidy(() => {
        const one = tensor([1], [1, 1]) as Tensor2D;
        const factors = { hidden: one, head: column(teacher) };
        const dense = (s: Tensor) => rowLosses({ student: s as Tensor2D, teacher: row(teacher), divergence });
        const product = rowLosses({ student: { hidden: one, head: column(student) }, teacher: factors, divergence });
        for (const { kl } of [dense(row(student)), product])
          expect(Math.abs((kl.dataSync()[0] as number) - value) / size).toBeLessThan(1e-6);
        const got = (grads((s: Tensor) => dense(s).loss)([row(student)])[0] as Tensor).dataSync();
        const error = gradient.reduce((sum, x, j) => sum + Math.abs(x - (got[j] as number)), 0);
        expect(error / Math.max(1, size)).toBeLessThan(1e-6);
      });
    },
  );

  it.each(["cpu", "wasm"] as const)("stock ops on %s are within 1e-5 of the terms' sizes", async (engine) => {
    await useBackend({ engine, blas: false });
    for (const divergence of DIVERGENCES) {
      const form = formOf("test", divergence);
      const { value, size } = reference(student, teacher, form);
      tidy(() => {
        const { kl } = portableRowLosses({
          student: { logits: row(student) },
          wants: () => false,
          labels: undefined,
          teacher: row(teacher),
          topK: undefined,
          form,
          rowWeights: undefined,
          sizes: { R: 1, V, Vt: V, common: V },
          ...{ temperature: 1, ceWeight: 0, klWeight: 1, chunkSize: 1 },
        });
        expect(Math.abs((kl.dataSync()[0] as number) - value) / size, divergence.kind).toBeLessThan(1e-5);
      });
    }
  });
});
