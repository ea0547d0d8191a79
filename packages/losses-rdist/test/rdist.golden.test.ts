import { type Tensor, type Tensor2D, useBackend, valueAndGrads } from "@kd/tensor-core";
import { beforeAll, describe, expect, it } from "vitest";
import { difference, golden, names } from "../../losses-mdist/test/goldens.ts";
import { engines, numberOf, tidyAsync, valuesOf } from "../../tensor-core/test/engines.ts";
import { rdist } from "../src/index.ts";

const FLAVOURS = { rdist: "per-span", rdist_flat: "whole-batch" } as const;

describe.each(engines)("goldens on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const cases = names.flatMap((name) => (["rdist", "rdist_flat"] as const).map((term) => [name, term] as const));

  it.each(cases)("%s: %s of dense logits and of factors", (name, term) =>
    tidyAsync(async () => {
      const g = golden(name);
      const shared = {
        rows: g.rows.visual,
        lengths: g.batch.imageSpans.map((span) => span.length),
        flavour: FLAVOURS[term],
      };
      const spans = shared.lengths.length;
      const identical = name === "b1_identical"; // the stored gradient is float64's noise around 0
      const teacher = { hidden: g.matrix("teacher_hidden"), head: g.matrix("teacher_head") };
      const dense = valueAndGrads((s: Tensor) =>
        rdist({ student: s as Tensor2D, teacher: g.matrix("teacher_logits"), ...shared }),
      )([g.matrix("student_logits")]);
      const factors = valueAndGrads((hidden: Tensor, head: Tensor) =>
        rdist({ student: { hidden: hidden as Tensor2D, head: head as Tensor2D }, teacher, ...shared }),
      )([g.matrix("student_hidden"), g.matrix("student_head")]);
      for (const [from, { value }] of [
        ["from_logits", dense],
        ["from_hidden_and_head", factors],
      ] as const)
        expect(await numberOf(value)).toBeCloseTo(spans > 0 ? (g.terms[from][term] as number) : 0, 5);
      // With one span both flavours are one: the gradients of rdist serve.
      const stored = spans > 1 ? term : "rdist";
      for (const [key, gradient] of [
        [`grad_logits.${stored}`, dense.grads[0]],
        [`fused_grad_hidden.${stored}`, factors.grads[0]],
        [`fused_grad_head.${stored}`, factors.grads[1]],
      ] as const) {
        const got = await valuesOf(gradient as Tensor);
        if (!g.has(key)) {
          expect(key, "only the flat flavour's factors are not stored").toMatch(/fused_grad_.*rdist_flat/);
          continue;
        }
        if (identical) for (const x of got) expect(Math.abs(x)).toBeLessThan(1e-6);
        else expect(difference(got, g.data(key))).toBeLessThan(2e-5);
      }
    }),
  );
});
