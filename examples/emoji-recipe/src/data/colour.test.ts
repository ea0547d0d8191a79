import { expect, test } from "vitest";
import { COLOURS, dominantColour, pixelColour } from "./colour.ts";

function stripes(...parts: [share: number, red: number, green: number, blue: number, alpha: number][]): Uint8Array {
  return Uint8Array.from(parts.flatMap(([share, ...rgba]) => Array.from({ length: share }, () => rgba).flat()));
}

test.each([
  ["black", 20, 20, 20],
  ["white", 250, 250, 250],
  ["gray", 128, 128, 128],
  ["gray", 140, 160, 180], // steel
  ["red", 220, 30, 40],
  ["pink", 255, 180, 190],
  ["brown", 120, 70, 30],
  ["orange", 255, 140, 0],
  ["yellow", 255, 210, 40],
  ["green", 60, 160, 60],
  ["blue", 40, 90, 220],
  ["purple", 130, 60, 200],
  ["pink", 255, 80, 200],
])("%s is %i %i %i", (name, red, green, blue) => {
  expect(pixelColour(red, green, blue)).toBe(name);
});

test("every pixel has a known name", () => {
  for (let i = 0; i < 4096; i++)
    expect(["white", ...COLOURS]).toContain(pixelColour((i % 16) * 17, ((i >> 4) % 16) * 17, (i >> 8) * 17));
});

test("the main colour needs half of the opaque pixels and a clear lead, and is never white", () => {
  const red = [220, 30, 40, 255] as const;
  const blue = [40, 90, 220, 255] as const;
  expect(dominantColour(stripes([70, ...red], [30, ...blue]))).toBe("red");
  expect(dominantColour(stripes([60, ...red], [40, ...blue]))).toBeUndefined(); // 40 > 0.6 × 60
  expect(dominantColour(stripes([45, ...red], [20, ...blue], [20, 60, 160, 60, 255], [15, 20, 20, 20, 255]))).toBe(
    undefined,
  );
  expect(dominantColour(stripes([90, 250, 250, 250, 255], [10, ...red]))).toBeUndefined();
  expect(dominantColour(stripes([90, 40, 90, 220, 90], [10, ...red]))).toBe("red"); // the blue is see-through
  expect(dominantColour(stripes([10, 0, 0, 0, 0]))).toBeUndefined();
});
