import { beforeAll, describe, expect, it } from "vitest";
import { syncEngines } from "../test/engines.ts";
import { random as floats } from "../test/tensors.ts";
import {
  add,
  constant,
  createRng,
  gatherRows,
  grads,
  type HalfFormat,
  halfOf,
  halfTensor,
  layerNorm,
  linear,
  memory,
  memoryReport,
  mul,
  type Operand,
  operand,
  rmsNorm,
  rowLosses,
  selectRows,
  sliceRows,
  spanGrams,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tidy,
  useBackend,
  widen,
} from "./index.ts";

/** The definition of both formats. */
function numberOf(word: number, format: HalfFormat): number {
  const [exponentBits, fractionBits] = format === "bf16" ? [8, 7] : [5, 10];
  const [sign, bias] = [word & 0x8000 ? -1 : 1, 2 ** (exponentBits - 1) - 1];
  const exponent = (word >>> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (word & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

const ALL = Uint16Array.from({ length: 2 ** 16 }, (_, word) => word);
const values = (t: Tensor): number[] => [...t.dataSync()];
const sized = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
/** Numbers of about ±2 that are no multiples of each other, as 16-bit words. */
function random(shape: number[], format: HalfFormat, seed: number): Tensor {
  const rng = createRng(seed);
  const exponents = format === "bf16" ? [126, 7] : [14, 10]; // ½ to 2
  const [exponent, bits] = exponents as [number, number];
  const words = Uint16Array.from(
    { length: sized(shape) },
    () => (rng.int(2) << 15) | ((exponent + rng.int(2)) << bits) | rng.int(2 ** bits),
  );
  return halfTensor({ format, words, shape });
}

describe.each(syncEngines)("half tensors on %s", (engine) => {
  beforeAll(async () => {
    await useBackend({ engine, blas: false });
  });

  it.each(["bf16", "fp16"] as const)("every word of %s has its value", (format) => {
    const t = halfTensor({ format, words: ALL, shape: [2 ** 16] });
    const expected = Array.from(ALL, (word) => numberOf(word, format));
    expect(values(t)).toEqual(expected);
    expect(values(widen(t))).toEqual(expected);
  });

  it("is a tensor outside the engine's memory until a stock operation takes it in", async () => {
    const before = [memory().numTensors, memoryReport().heap?.inUse];
    const t = random([8, 4], "bf16", 1);
    expect([t.shape, t.dtype, memory().numTensors]).toEqual([[8, 4], "float32", (before[0] as number) + 1]);
    expect(memoryReport().heap?.inUse).toBe(before[1]);
    const read = values(t);
    expect(await t.data()).toEqual(Float32Array.from(read));
    expect(halfOf(t)?.format).toBe("bf16");
    const doubled = mul(t, 2);
    expect(values(doubled)).toEqual(read.map((x) => 2 * x));
    expect(halfOf(t)).toBeUndefined();
    expect(values(t)).toEqual(read);
    for (const made of [t, doubled]) made.dispose();
    expect([memory().numTensors, memoryReport().heap?.inUse]).toEqual(before);
  });

  it("names a wrong number of words", () => {
    expect(() => halfTensor({ format: "bf16", words: new Uint16Array(3), shape: [2, 2] })).toThrow(
      expect.objectContaining({ code: "KD_SHAPE", message: expect.stringContaining("[2, 2] needs 4 words, got 3") }),
    );
  });

  it("refuses to be trained", () => {
    const params = new Map([["a.weight", random([2], "fp16", 1)]]);
    expect(halfOf((operand(params, "a.weight") as { constant: Tensor }).constant)).toBeDefined();
    expect(() => operand(params, "a.weight", new Set(["a.weight"]))).toThrow(
      expect.objectContaining({ code: "KD_WEIGHTS", message: expect.stringMatching(/"a\.weight".*float32.*got fp16/) }),
    );
  });

  const ids = (): Tensor => tensor([2, 0, 2], [3], "int32");
  const OPS: [string, number[][], (x: Operand, ...weights: Tensor[]) => Tensor][] = [
    ["linear", [[7, 5], [7]], (x, w, b) => linear(x, constant(w as Tensor2D), constant(b as never))],
    ["linear, a bare weight", [[7, 5]], (x, w) => linear(x, w as Tensor2D)],
    ["rmsNorm", [[5]], (x, w) => rmsNorm(x, constant(w as never))],
    ["layerNorm", [[5], [5]], (x, w, b) => layerNorm(x, constant(w as never), constant(b as never))],
    ["gatherRows", [[4, 5]], (x, t) => add((x as Tensor) ?? 0, gatherRows(constant(t as Tensor2D), ids()))],
    ["selectRows", [[4, 5]], (x, t) => add(x as Tensor, selectRows(t as Tensor2D, Int32Array.of(3, 0, 3)) as Tensor)],
  ];
  it.each(OPS)(
    "%s gives what float32 weights of the same numbers give, and keeps them in 16 bits",
    (_, shapes, run) => {
      const x = floats(9, 3, 5);
      const halves = shapes.map((shape, i) => random(shape, "bf16", i + 1));
      const wide = halves.map((t) => tensor(t.dataSync(), t.shape));
      const all = (weights: Tensor[]) =>
        tidy(() =>
          [run(x, ...weights), ...grads((x: Tensor) => sum(mul(run(x, ...weights), 2)) as never)([x])].map(values),
        );
      const before = [memory().numTensors, memoryReport().heap?.inUse];
      expect(all(halves)).toEqual(all(wide));
      expect(halves.every((t) => halfOf(t) !== undefined)).toBe(true);
      expect([memory().numTensors, memoryReport().heap?.inUse]).toEqual(before);
    },
  );

  // more than is widened at once
  const large = { V: 70_001, D: 60 };
  const head = random([large.V, large.D], "bf16", 1) as Tensor2D;

  it("multiplies by a large one a slice at a time, with a gradient", () => {
    const wide = tensor(head.dataSync(), head.shape) as Tensor2D;
    const x = floats(3, 2, large.D);
    const probe = floats(4, 2, large.V);
    const all = (weight: Tensor2D) =>
      tidy(() =>
        [linear(x, weight), ...grads((x: Tensor) => sum(mul(linear(x, constant(weight)), probe)) as never)([x])].map(
          values,
        ),
      );
    const before = memory().numTensors;
    const [got, want] = [all(head), all(wide)];
    expect(memory().numTensors).toBe(before);
    expect(got[0]).toEqual(want[0]);
    const slopes = want[1] as number[];
    const largest = Math.max(...slopes.map(Math.abs));
    for (const [i, slope] of slopes.entries())
      expect(Math.abs((got[1]?.[i] as number) - slope)).toBeLessThan(1e-5 * largest);
    wide.dispose();
  });

  it.each([
    ["few rows", 4],
    ["more rows than half the width", 40],
  ])("is a teacher's head of row losses and Gram matrices: %s", (_, R) => {
    const wide = tensor(head.dataSync(), head.shape) as Tensor2D;
    const taught = mul(floats(5, R, large.D), 0.1) as Tensor2D;
    const student = { hidden: floats(6, R, 2), head: floats(7, large.V, 2) };
    const before = memory().numTensors;
    const all = (head: Tensor2D) =>
      tidy(() => {
        const { kl } = rowLosses({ student, teacher: { hidden: taught, head } });
        const frozen = { hidden: constant(taught), head: constant(head) };
        return [kl, spanGrams(frozen, [R]), spanGrams(frozen, [R], { centreVocabulary: true })].map(values);
      });
    const [got, want] = [all(head), all(wide)];
    for (const [i, list] of want.entries())
      for (const [j, x] of list.entries()) {
        const largest = Math.max(...list.map(Math.abs));
        expect(Math.abs((got[i]?.[j] as number) - x)).toBeLessThan(1e-5 * largest);
      }
    expect(memory().numTensors).toBe(before);
    for (const t of [wide, taught, student.hidden, student.head]) t.dispose();
  });

  it("slices rows without copying", () => {
    const t = random([6, 2], "fp16", 1) as Tensor2D;
    const part = sliceRows(t, 1, 3);
    expect(values(part)).toEqual(values(t).slice(2, 8));
    expect(halfOf(part)?.words.buffer).toBe(halfOf(t)?.words.buffer);
  });
});

it("goes along when the engine changes", async () => {
  await useBackend({ engine: "wasm", blas: false });
  const t = random([4, 3], "bf16", 2) as Tensor2D;
  const x = [1, 2, 3];
  const onWasm = values(linear(tensor([x]), t));
  await useBackend({ engine: "cpu" });
  for (const [i, y] of values(linear(tensor([x]), t)).entries()) expect(y).toBeCloseTo(onWasm[i] as number, 5);
  expect(halfOf(t)?.words).toHaveLength(12);
});
