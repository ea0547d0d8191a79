import { useBackend } from "@kd/tensor-core";
import { beforeAll, expect, it, vi } from "vitest";
import { type Job, quantile, sample } from "./job.ts";
import { kdTerms } from "./kd-terms.ts";
import { parseSizes } from "./sizes.ts";
import { stageStep } from "./stage-step.ts";
import { textStep } from "./text-step.ts";

const tiny = parseSizes("d64,L1,V50,2x8");

beforeAll(() => useBackend({ engine: "wasm", blas: false }));

it.each<[string, () => Job | Promise<Job>]>([
  ["step tiny", () => textStep("tiny", tiny)],
  ["step tiny frozen-slm", () => stageStep("tiny", tiny, "frozen-slm")],
  ["step tiny dpt", () => stageStep("tiny", tiny, "dpt")],
])("%s learns", async (what, make) => {
  const job = await make();
  expect(job.what).toBe(what);
  const first = await job.run();
  const { ms, loss, peak_mib } = await sample(job, 20);
  expect(ms).toHaveLength(20);
  expect(loss).toBeLessThan(first);
  expect(peak_mib).toBeGreaterThan(1);
});

it("kd terms give the same loss in chunks", async () => {
  const [whole, chunked] = [
    await kdTerms({ rows: 6, vocabulary: 40 }),
    await kdTerms({ rows: 6, vocabulary: 40, chunkSize: 2 }),
  ];
  expect(await chunked.run()).toBeCloseTo(await whole.run(), 4);
});

it("takes quantiles between order statistics, and milliseconds by the token", async () => {
  expect([0, 0.5, 0.25, 1].map((p) => quantile([4, 1, 2, 3], p))).toEqual([1, 2.5, 1.75, 4]);
  const clock = vi.spyOn(performance, "now").mockReturnValueOnce(100).mockReturnValueOnce(150);
  const { ms } = await sample({ what: "", facts: {}, per: 10, run: async () => 0 }, 1);
  clock.mockRestore();
  expect(ms).toEqual([5]);
});
