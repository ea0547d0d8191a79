import { expect, test } from "vitest";
import { concepts, isCore } from "./concepts.ts";
import { iconFinder } from "./icons.ts";
import { TEST_VENDORS, TRAIN_VENDORS } from "./vendors.ts";

const all = concepts();

test("the table is the fixed split, and no family crosses it", () => {
  const count = (split: string): number => all.filter((c) => c.split === split).length;
  expect([all.length, count("train"), count("val"), count("test")]).toEqual([1561, 1288, 115, 158]);
  const splits = new Map<string, string>();
  for (const c of all) {
    expect(splits.get(c.family) ?? c.split).toBe(c.split);
    splits.set(c.family, c.split);
  }
  expect(all.every((c) => c.group && c.subgroup)).toBe(true);
});

test("the core pool has 714 concepts", () => {
  const core = all.filter(isCore);
  const count = (split: string): number => core.filter((c) => c.split === split).length;
  expect([core.length, count("train"), count("val"), count("test")]).toEqual([714, 571, 57, 86]);
});

test("every vendor's icons are found, by code point, label or squeezed Unicode name", () => {
  const drawn = (vendor: string): number => all.filter((c) => c.icons[vendor]).length;
  expect(Object.fromEntries([...TRAIN_VENDORS, ...TEST_VENDORS].map((v) => [v, drawn(v)]))).toEqual({
    noto: 1561,
    twemoji: 1561,
    "noto-v1": 1171,
    emojione: 1057,
    fxemoji: 597,
    "fluent-emoji-flat": 1541,
    "emojione-v1": 899,
  });
  expect(iconFinder("fxemoji")("1F36B", "chocolate bar")).toBe("chocolatebar");
});

test("a mirrored alias is not another concept's picture", () => {
  expect(iconFinder("fluent-emoji-flat")("1F449", "backhand index pointing right")).toBeUndefined();
});
