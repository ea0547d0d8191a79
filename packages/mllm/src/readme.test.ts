import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { tinyBatch, tinyLlava } from "../test/tiny-llava.ts";
import * as mllm from "./index.ts";
import * as node from "./node/index.ts";

it("the README's example runs", async () => {
  await core.useBackend({ engine: "wasm", blas: false });
  const folder = await mkdtemp(join(tmpdir(), "kd-mllm-"));
  try {
    await node.saveLlava(await tinyLlava(), join(folder, "llava"));
    const loadLlava = (path: string) => node.loadLlava(path.replace("path/to/llava-folder", join(folder, "llava")));
    const modules = { "@kd/mllm": mllm, "@kd/mllm/node": { loadLlava }, "@kd/tensor-core": core };
    const [shape, answers] = await runReadme(join(import.meta.dirname, ".."), modules, { batch: tinyBatch() });
    expect(shape).toEqual([1, 6, 8]);
    expect(answers).toEqual([expect.any(Array)]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
