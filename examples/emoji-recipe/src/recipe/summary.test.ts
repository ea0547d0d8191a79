import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeJson } from "./json-file.ts";
import { CONTROL, chainOf, FULL_BUDGET, STUDENT } from "./schemes.ts";
import { meanAndDeviation, seedFolder, summarise, summaryTable } from "./summary.ts";

const score = (macro: number) => ({ macro, tasks: { name: macro } });

it("averages seeds and pairs student with control", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kd-summary-"));
  try {
    const written = { [CONTROL]: [50, 52], [STUDENT]: [55, 59] };
    for (const [scheme, macros] of Object.entries(written))
      for (const [i, macro] of macros.entries())
        await writeJson(join(seedFolder(folder, i + 1), scheme.toLowerCase(), "result.json"), {
          cells: { test_vendor: score(macro) },
        });
    const summary = await summarise({
      folder,
      seeds: [1, 2],
      chains: [CONTROL, STUDENT].map((scheme) => chainOf(scheme, FULL_BUDGET)),
      teacher: { test_vendor: score(70) },
      floors: { majority: score(10), blind: score(11) },
      seconds: 1,
      quick: true,
    });
    expect(summary.scores.student).toMatchObject({ macro: 57, seeds: 2 });
    expect(summary.paired.differences).toEqual([5, 7]);
    expect(summary.paired.mean).toBe(6);
    expect(summary.paired.deviation).toBeCloseTo(Math.SQRT2);
    const table = summaryTable(summary);
    expect(table).toContain("A quick taste");
    expect(table).toContain("student - control: +6.0 ± 1.4 over 2 seeds");
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("one value has no deviation", () => {
  expect(meanAndDeviation([3])).toEqual({ mean: 3 });
});
