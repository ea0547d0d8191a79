import { type Scalar, type StudentRows, type Tensor, type Tensor2D, useBackend, valueAndGrads } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { engines, numberOf, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { crossEntropy, forwardKl } from "../src/index.ts";
import { difference, type Golden, golden, names } from "./goldens.ts";

/** Every term of the goldens that this package computes, from the rows of a whole batch. */
const TERMS = {
  ce: (g: Golden, student: StudentRows) => {
    const rows = g.rows.response;
    return crossEntropy({ student, rows, labels: rows.map((r) => g.batch.labels[r + 1] as number) });
  },
  response_forward_kl: (g: Golden, student: StudentRows, teacher: never) =>
    forwardKl({ student, teacher, rows: g.rows.response, chunkSize: 3 }),
  visual_forward_kl: (g: Golden, student: StudentRows, teacher: never) =>
    forwardKl({ student, teacher, rows: g.rows.visual }),
  response_forward_kl_T2: (g: Golden, student: StudentRows, teacher: never) =>
    forwardKl({ student, teacher, rows: g.rows.response, temperature: 2 }),
  visual_forward_kl_T2: (g: Golden, student: StudentRows, teacher: never) =>
    forwardKl({ student, teacher, rows: g.rows.visual, temperature: 2, chunkSize: 100 }),
};

describe.each(engines)("goldens on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const cases = names.flatMap((name) => Object.entries(TERMS).map(([term, run]) => [name, term, run] as const));

  it.each(cases)("%s: %s of dense logits and of factors", (name, term, run) =>
    tidyAsync(async () => {
      const g = golden(name);
      const dense = valueAndGrads((s: Tensor) => run(g, s as Tensor2D, g.matrix("teacher_logits") as never) as Scalar)([
        g.matrix("student_logits"),
      ]);
      const ids = term.startsWith("visual") ? g.rows.visual : g.rows.response;
      expect(await numberOf(dense.value)).toBeCloseTo(ids.length > 0 ? (g.terms.from_logits[term] as number) : 0, 5);
      const stored = g.has(`grad_logits.${term}`);
      expect(stored || ids.length === 0 || name === "b1_728", "a stored gradient").toBe(true); // b1_728 stores few
      const gradient = await valuesOf(dense.grads[0] as Tensor);
      const want = stored ? g.data(`grad_logits.${term}`) : new Float32Array(gradient.length);
      if (stored || ids.length === 0) expect(difference(gradient, want)).toBeLessThan(1e-5);

      const teacher = { hidden: g.matrix("teacher_hidden"), head: g.matrix("teacher_head") } as never;
      const factors = valueAndGrads(
        (hidden: Tensor, head: Tensor) =>
          run(g, { hidden: hidden as Tensor2D, head: head as Tensor2D }, teacher) as Scalar,
      )([g.matrix("student_hidden"), g.matrix("student_head")]);
      if (!(term in g.terms.from_hidden_and_head)) return; // the goldens have no factors for this term
      expect(await numberOf(factors.value)).toBeCloseTo(g.terms.from_hidden_and_head[term] as number, 5);
      for (const [i, which] of ["hidden", "head"].entries())
        expect(
          difference(await valuesOf(factors.grads[i] as Tensor), g.data(`fused_grad_${which}.${term}`)),
        ).toBeLessThan(1e-5);
    }),
  );
});
