import fc from "fast-check";
import { expect, it } from "vitest";
import { digestOf, digestOfBf16 } from "./digest.ts";

const halves = fc.uint16Array({ maxLength: 40 });
const widened = (words: Uint16Array) => new Float32Array(Int32Array.from(words, (word) => word << 16).buffer);

it("BF16 words and the numbers they stand for have one digest", () => {
  fc.assert(
    fc.property(halves, (words) => {
      expect(digestOfBf16(words)).toBe(digestOf(widened(words)));
    }),
  );
  const shifted = new Uint16Array(9).subarray(1).fill(3); // not at a multiple of four bytes
  expect(digestOfBf16(shifted)).toBe(digestOf(widened(shifted)));
});

it("one changed bit anywhere shows, and so do two changed signs", () => {
  fc.assert(
    fc.property(fc.int32Array({ minLength: 1, maxLength: 40 }), fc.nat(), fc.nat(31), (bits, at, bit) => {
      const before = digestOf(new Float32Array(bits.buffer));
      const i = at % bits.length;
      bits[i] = (bits[i] as number) ^ (1 << bit);
      expect(digestOf(new Float32Array(bits.buffer))).not.toBe(before);
    }),
  );
  const ones = () => new Float32Array(32).fill(1);
  const turned = ones();
  for (const i of [0, 8]) turned[i] = -1; // of one lane
  expect(digestOf(turned)).not.toBe(digestOf(ones()));
  expect(digestOf(new Float32Array(3))).not.toBe(digestOf(new Float32Array(4)));
});
