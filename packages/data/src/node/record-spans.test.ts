import fc from "fast-check";
import { expect, it } from "vitest";
import { arrayScanner, linesScanner } from "./record-spans.ts";

/** Spans of a text that comes in pieces of these sizes, with their bytes read back by offset. */
function spansOf(
  scan: typeof linesScanner,
  text: string,
  cuts: readonly number[] = [Number.POSITIVE_INFINITY],
): string[] {
  const all = Buffer.from(text);
  const found: string[] = [];
  const scanner = scan(
    "t",
    (bytes, offset) => {
      expect(Buffer.from(bytes).equals(all.subarray(offset, offset + bytes.length))).toBe(true);
      found.push(Buffer.from(bytes).toString());
    },
    (size, offset) => found.push(`${size} bytes at ${offset}`),
  );
  for (let at = 0, i = 0; at < all.length; i++) {
    const size = Math.max(1, cuts[i % cuts.length] ?? 1);
    scanner.write(all.subarray(at, at + size));
    at += size;
  }
  scanner.end();
  return found;
}
const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

it("finds the records of an array however it is cut and laid out", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ maxDepth: 4 })),
      cuts,
      fc.constantFrom(undefined, 1, "\t"),
      (values, sizes, indent) => {
        const text = JSON.stringify(values, undefined, indent);
        expect(spansOf(arrayScanner, text, sizes).map((span) => JSON.parse(span))).toEqual(JSON.parse(text));
      },
    ),
    { numRuns: 300, seed: 1 },
  );
});

it("finds the lines that are not blank", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ maxDepth: 3 })),
      cuts,
      fc.constantFrom("\n", "\r\n", "\n \n"),
      (values, sizes, end) => {
        const text = values.map((value) => JSON.stringify(value)).join(end);
        expect(spansOf(linesScanner, text, sizes).map((span) => JSON.parse(span))).toEqual(
          values.map((v) => JSON.parse(JSON.stringify(v))),
        );
      },
    ),
    { numRuns: 300, seed: 2 },
  );
});

it("passes over a line that is too long, wherever it is cut", () => {
  const long = "a".repeat(16 * 1024 ** 2 + 1);
  const want = ["{}", `${long.length} bytes at 3`, "[]", "1"];
  for (const size of [65_536, 5 * 1024 ** 2 + 1, Number.POSITIVE_INFINITY])
    expect(spansOf(linesScanner, `{}\n${long}\n[]\n1`, [size])).toEqual(want);
  expect(spansOf(linesScanner, `{}\n${long}`, [65_536])).toEqual(want.slice(0, 2));
  expect(spansOf(linesScanner, `${" ".repeat(long.length)}\n[]`, [65_536])).toEqual(["[]"]);
});

it("passes over a byte order mark", () => {
  expect(spansOf(arrayScanner, '\ufeff[{"a":1}]')).toEqual(['{"a":1}']);
  expect(spansOf(linesScanner, '\ufeff{"a":1}\n')).toEqual(['{"a":1}']);
});

it.each([
  ["", /t: expected \] at the end, got 0 bytes and 0 whole records; it is truncated/],
  ['[{"a":1},{"b', /got 12 bytes and 1 whole records/],
  ["{}", /t: expected one JSON array, got "\{" at byte 0/],
  ["[1] x", /got "x" at byte 4/],
  ["[1,,2]", /t\[1\]: expected a record, got , at byte 3/],
  ["[1,]", /t\[1\]: expected a record, got \] at byte 3/],
  ["[}", /t\[0\]: expected no closing bracket at byte 1/],
  [`[${"[".repeat(70)}`, /t\[0\]: expected at most 64 levels/],
  [`["${"a".repeat(16 * 1024 ** 2)}"]`, /t\[0\]: expected a record of at most 16777216 bytes/],
])("says where %.12s goes wrong", (text, message) => {
  expect(() => spansOf(arrayScanner, text, [65_536])).toThrow(message);
});
