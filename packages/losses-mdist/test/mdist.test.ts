import { grads, memory, type Tensor, type Tensor2D, tidy, useBackend } from "@kd/tensor-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { type Divergence, mdist } from "../src/index.ts";
import { type Definition, definitions, jsdOf, lossOf, skewedForwardOf, skewedReverseOf } from "./definitions.ts";
import { matrix, pairs, times } from "./matrices.ts";
import { near } from "./measure.ts";

const kinds: [Divergence, Definition][] = [
  [{ kind: "forwardKl" }, definitions.forwardKl],
  [{ kind: "reverseKl" }, definitions.reverseKl],
  [{ kind: "symmetricKl" }, definitions.symmetricKl],
  [{ kind: "totalVariation" }, definitions.totalVariation],
  [{ kind: "softCrossEntropy" }, definitions.softCrossEntropy],
  [{ kind: "jsd", beta: 0.2 }, jsdOf(0.2)],
  [{ kind: "skewedForwardKl", alpha: 0.2 }, skewedForwardOf(0.2)],
  [{ kind: "skewedReverseKl", alpha: 0.2 }, skewedReverseOf(0.2)],
];

describe.each(syncEngines)("mdist on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });
  const both = { responseRows: Int32Array.of(0), visualRows: Int32Array.of(1, 0) };
  const given = () => ({
    student: matrix([
      [1, 2],
      [0, 3],
    ]),
    teacher: matrix([
      [2, 0],
      [1, 1],
    ]),
    ...both,
  });

  it("is α·response + β·visual of any divergence, each over its own rows and count", () => {
    const indices = fc.array(fc.nat(4), { maxLength: 4 });
    const cases = fc.record({
      pair: pairs(8),
      response: indices,
      visual: indices,
      kind: fc.constantFrom(...kinds),
      weights: fc.option(fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { minLength: 5, maxLength: 5 })),
      counts: fc.option(
        fc.record({ response: fc.integer({ min: 1, max: 9 }), visual: fc.integer({ min: 1, max: 9 }) }),
      ),
      temperature: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(cases, ({ pair, response, visual, kind: [divergence, definition], weights, counts, temperature }) => {
        const R = pair.student.length;
        const [responseRows, visualRows] = [response, visual].map((rows) => Int32Array.from(rows, (i) => i % R)) as [
          Int32Array,
          Int32Array,
        ];
        const shared = { temperature, ...(weights ? { rowWeights: weights.slice(0, R) } : {}) };
        const got = tidy(() => {
          const terms = mdist({
            student: matrix(pair.student),
            teacher: matrix(pair.teacher),
            ...shared,
            ...{ responseRows, visualRows, divergence, responseWeight: 3, visualWeight: 0.5 },
            ...(counts ? { counts } : {}),
          });
          return Object.fromEntries(Object.entries(terms).map(([name, t]) => [name, t.dataSync()[0] as number]));
        });
        const term = (rows: Int32Array, count?: number) =>
          lossOf(definition, pair, { ...shared, rows, ...(count === undefined ? {} : { count }) });
        const want = { response: term(responseRows, counts?.response), visual: term(visualRows, counts?.visual) };
        near(got.response as number, want.response);
        near(got.visual as number, want.visual);
        near(got.loss as number, 3 * want.response + 0.5 * want.visual);
      }),
      times(60),
    );
  });

  it("names what is wrong", () => {
    expect(() => mdist({ ...given(), responseWeight: -1 })).toThrow(
      /^mdist: responseWeight must be at least 0 and finite, got -1/,
    );
    expect(() => mdist({ ...given(), visualWeight: Number.NaN })).toThrow(/^mdist: visualWeight must be .* got NaN/);
    expect(() => mdist({ ...given(), counts: { response: 0, visual: 2 } })).toThrow(/^mdist: count must be above 0/);
    expect(() => mdist({ ...given(), divergence: { kind: "kl" } as never })).toThrow(
      /^mdist: no such divergence.*"kind":"kl"/,
    );
    expect(() => mdist({ ...given(), temperature: -1 })).toThrow(/^mdist: temperature must be above 0/);
  });

  it("frees everything but its terms", () => {
    const options = given();
    tidy(() => void mdist(options));
    const before = memory().numTensors;
    for (const term of Object.values(mdist({ ...options, rowWeights: [1, 2] }))) term.dispose();
    expect(memory().numTensors).toBe(before);
    const [gradient] = grads((s: Tensor) => mdist({ ...options, student: s as Tensor2D }).loss)([options.student]);
    gradient?.dispose();
    expect(memory().numTensors).toBe(before);
  });
});
