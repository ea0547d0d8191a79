import { expect, it } from "vitest";
import { curveLines } from "./curve-lines.ts";
import type { ReportCurve } from "./report-data.ts";

/** Chains as they are filed: a shared first stage is repeated under each of them. */
function chain(line: string): ReportCurve[] {
  const stages = line.split("-");
  return stages.map((stage, i) => {
    const label = stages.slice(0, i + 1).join("-");
    return { line, label, stage, rows: [{ stage_step: 1, "train/loss": label.length }] };
  });
}

it("draws a stage that chains share once, under the chain so far, and keeps a chain's style", () => {
  const all = ["DPT-SFT-DFT", "PT-SFT-SFT", "PT-SFT", "DPT-SFT", "PT-SFT-DFT"].flatMap(chain);
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

it("keeps lines apart that have the same stages but trained differently", () => {
  const longer = chain("PT-SFT").map((curve) => ({
    ...curve,
    line: "PT-SFT long",
    rows: [{ stage_step: 9, "train/loss": 1 }],
  }));
  const lines = curveLines([...chain("PT-SFT"), ...longer]);
  expect(lines[0]?.map(({ name }) => name)).toEqual(["PT", "PT-SFT long"]);
});
