import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../../scripts/run-readme.ts";
import * as safetensors from "../index.ts";
import { streamWeights, writeWeights } from "./index.ts";

it("the README's example runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kd-safetensors-"));
  const node = {
    streamWeights: () => streamWeights(folder),
    writeWeights: (_: string, ...rest: [Parameters<typeof writeWeights>[1]]) => writeWeights(folder, ...rest),
  };
  const modules = { "@kd/safetensors": safetensors, "@kd/safetensors/node": node };
  expect(await runReadme(join(import.meta.dirname, "../.."), modules)).toEqual(["w", [2], Float32Array.of(1, 2)]);
  await rm(folder, { recursive: true });
});
