import fc from "fast-check";
import { expect, it } from "vitest";
import { type PackedArray, packArrays, unpackArrays } from "./index.ts";

const array: fc.Arbitrary<PackedArray> = fc
  .record({ rows: fc.nat(4), width: fc.nat(5), dtype: fc.constantFrom("F16", "F32", "I32"), seed: fc.nat() })
  .map(({ rows, width, dtype, seed }) => {
    const shape = [rows, width];
    const numbers = Array.from({ length: rows * width }, (_, i) => Math.round(100 * Math.sin(seed + i)));
    if (dtype === "I32") return { dtype, shape, data: Int32Array.from(numbers) };
    return { dtype: dtype as "F16" | "F32", shape, data: Float32Array.from(numbers, (n) => n / 8) }; // exact in 16 bits
  });

it("gives every array back", () => {
  fc.assert(
    fc.property(fc.array(array, { maxLength: 4 }), (arrays) => {
      const bytes = packArrays(arrays);
      for (const from of [0, 1]) // aligned, and not; a Buffer, as files give them
        expect(unpackArrays(Buffer.concat([new Uint8Array(from), bytes]).subarray(from))).toEqual(arrays);
    }),
  );
});

it("rounds F16 to the nearest, by at most a 2048th", () => {
  const data = Float32Array.from({ length: 1000 }, (_, i) => 60 * Math.sin(i) ** 3);
  const [read] = unpackArrays(packArrays([{ dtype: "F16", shape: [1000], data }]));
  for (const [i, x] of data.entries())
    expect(Math.abs((read?.data[i] as number) - x)).toBeLessThanOrEqual(Math.abs(x) / 2048 + 2 ** -25);
});

it("refuses what it would get wrong", () => {
  const data = Float32Array.of(1, 70000);
  expect(() => packArrays([{ dtype: "F16", shape: [2], data }], "a/b")).toThrow(
    /^a\/b: float16 holds numbers up to 65504, got 70000/,
  );
  expect(() => packArrays([{ dtype: "F16", shape: [1], data: Float32Array.of(Number.NaN) }])).toThrow(/got NaN/);
  expect(() => packArrays([{ dtype: "F32", shape: [3], data }])).toThrow(/\[3\] needs 3 numbers, got 2/);
});

it("ends in a KdError for any other bytes", () => {
  fc.assert(
    fc.property(
      fc.array(array, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.nat(255),
      fc.nat(),
      (arrays, at, byte, cut) => {
        const bytes = packArrays(arrays).slice();
        bytes[at % bytes.length] = byte;
        for (const some of [bytes, bytes.subarray(0, cut % bytes.length)])
          try {
            for (const { data, shape } of unpackArrays(some))
              expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          } catch (error) {
            expect(error).toMatchObject({ code: "KD_DATA" });
          }
      },
    ),
    { numRuns: 1000 },
  );
});
