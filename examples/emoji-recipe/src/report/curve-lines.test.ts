import { expect, it } from "vitest";
import { curveLines } from "./curve-lines.ts";
import type { ReportData } from "./report-data.ts";

/** Chains as they are filed: a shared first stage is repeated under each of them. */
function chain(name: string, seed = 1): ReportData["curves"] {
  const stages = name.toLowerCase().split("-");
  return stages.map((stage, i) => ({
    chain: name,
    stage,
    seed,
    rows: [{ _step: 1, "train/loss": stages.slice(0, i + 1).join().length + seed }],
  }));
}

it("draws a stage that chains share once, under the chain so far, and keeps a chain's style", () => {
  const all = ["PT-SFT", "PT-SFT-SFT", "DPT-SFT", "PT-SFT-DFT", "DPT-SFT-DFT"].flatMap((name) => chain(name));
  const lines = curveLines(all);
  expect(lines.map((stage) => stage.map(({ name }) => name))).toEqual([
    ["DPT", "PT"],
    ["DPT-SFT", "PT-SFT"],
    ["DPT-SFT-DFT", "PT-SFT-SFT", "PT-SFT-DFT"],
  ]);
  for (const stage of lines)
    expect(stage.slice(0, 2).map(({ stroke }) => stroke)).toEqual(["var(--student)", "var(--control)"]);
  expect(new Set(lines[2]?.map(({ dash }) => dash)).size).toBe(3);
});

it("takes the first seed, and keeps chains apart that have the same stages but trained differently", () => {
  const longer = chain("PT-SFT").map((curve) => ({
    ...curve,
    chain: "PT-SFT long",
    rows: [{ _step: 9, "train/loss": 1 }],
  }));
  const lines = curveLines([...chain("PT-SFT", 2), ...chain("PT-SFT", 1), ...longer]);
  expect(lines).toHaveLength(2);
  expect(lines[0]?.map(({ name }) => name)).toEqual(["PT", "PT-SFT long"]);
});
