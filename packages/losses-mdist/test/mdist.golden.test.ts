import {
  type LogitRows,
  type Scalar,
  type StudentRows,
  selectRows,
  type Tensor,
  type Tensor2D,
  tidy,
  useBackend,
  valueAndGrads,
} from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import {
  crossEntropy,
  forwardKl,
  jsd,
  reverseKl,
  skewedForwardKl,
  skewedReverseKl,
  topKForwardKl,
  topKRows,
  totalVariation,
} from "../src/index.ts";
import { difference, type Golden, golden, names } from "./goldens.ts";

type Run = (student: StudentRows, teacher: LogitRows, more: { rows: Int32Array }) => Scalar;

/** Every divergence, under the goldens' names. */
const DIVERGENCES: Record<string, Run> = {
  forward_kl: (student, teacher, rows) => forwardKl({ student, teacher, ...rows, chunkSize: 3 }),
  forward_kl_T2: (student, teacher, rows) => forwardKl({ student, teacher, ...rows, temperature: 2, chunkSize: 100 }),
  reverse_kl: (student, teacher, rows) => reverseKl({ student, teacher, ...rows }),
  "jsd_0.5": (student, teacher, rows) => jsd({ student, teacher, ...rows }),
  "jsd_0.1": (student, teacher, rows) => jsd({ student, teacher, ...rows, beta: 0.1, chunkSize: 5 }),
  "skewed_forward_kl_0.1": (student, teacher, rows) => skewedForwardKl({ student, teacher, ...rows }),
  "skewed_reverse_kl_0.1": (student, teacher, rows) => skewedReverseKl({ student, teacher, ...rows }),
  tvd: (student, teacher, rows) => totalVariation({ student, teacher, ...rows }),
};

/** Every term of the goldens that this package computes, from the rows of a whole batch. */
const TERMS: Record<string, (g: Golden, student: StudentRows, teacher: LogitRows) => Scalar> = {
  ce: (g, student) => {
    const rows = g.rows.response;
    return crossEntropy({ student, rows, labels: rows.map((r) => g.batch.labels[r + 1] as number) });
  },
};
for (const where of ["response", "visual"] as const) {
  for (const [name, run] of Object.entries(DIVERGENCES))
    TERMS[`${where}_${name}`] = (g, student, teacher) => run(student, teacher, { rows: g.rows[where] });
  TERMS[`${where}_topk8_tail_kl`] = (g, student, dense) => {
    const [rows, vocabulary] = [g.rows[where], g.commonVocabulary];
    const stored = () => ({ ids: g.matrix(`topk.${where}_ids`), logProbs: g.matrix(`topk.${where}_logprobs`) });
    const made = () => topKRows(selectRows(dense, rows), 8, { vocabulary }); // b1_728 stores none, b2_textonly has no rows
    const teacher = { vocabulary, ...(g.has(`topk.${where}_ids`) ? stored() : made()) };
    return topKForwardKl({ student, teacher, rows });
  };
}

describe.each(syncEngines)("goldens on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const cases = names.flatMap((name) => Object.entries(TERMS).map(([term, run]) => [name, term, run] as const));

  it.each(cases)(
    "%s: %s of dense logits and of factors",
    (name, term, run) =>
      void tidy(() => {
        const g = golden(name);
        const dense = valueAndGrads(
          (s: Tensor) => run(g, s as Tensor2D, g.matrix("teacher_logits") as never) as Scalar,
        )([g.matrix("student_logits")]);
        const ids = term.startsWith("visual") ? g.rows.visual : g.rows.response;
        expect(dense.value.dataSync()[0]).toBeCloseTo(ids.length > 0 ? (g.terms.from_logits[term] as number) : 0, 5);
        const stored = g.has(`grad_logits.${term}`);
        expect(stored || ids.length === 0 || name === "b1_728", "a stored gradient").toBe(true); // b1_728 stores few
        const floor = name === "b1_identical" ? 1e-2 : 1e-3; // there all is 0 but for the rounding of probabilities
        const gradient = (dense.grads[0] as Tensor).dataSync();
        const want = stored ? g.data(`grad_logits.${term}`) : new Float32Array(gradient.length);
        if (stored || ids.length === 0) expect(difference(gradient, want, floor)).toBeLessThan(1e-5);

        const teacher = { hidden: g.matrix("teacher_hidden"), head: g.matrix("teacher_head") } as never;
        const factors = valueAndGrads(
          (hidden: Tensor, head: Tensor) =>
            run(g, { hidden: hidden as Tensor2D, head: head as Tensor2D }, teacher) as Scalar,
        )([g.matrix("student_hidden"), g.matrix("student_head")]);
        if (!(term in g.terms.from_hidden_and_head)) return; // the goldens have no factors for this term
        expect(factors.value.dataSync()[0]).toBeCloseTo(g.terms.from_hidden_and_head[term] as number, 5);
        for (const [i, which] of ["hidden", "head"].entries())
          expect(
            difference((factors.grads[i] as Tensor).dataSync(), g.data(`fused_grad_${which}.${term}`)),
          ).toBeLessThan(1e-5);
      }),
  );
});
