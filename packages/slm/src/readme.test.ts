import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as slm from "./index.ts";
import * as node from "./node/index.ts";

it("the README's example runs", async () => {
  await core.useBackend({ engine: "wasm", blas: false });
  const folder = await mkdtemp(join(tmpdir(), "kd-slm-"));
  try {
    const config = slm.parseSlmConfig({
      vocab_size: 100,
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
    });
    await node.saveSlm({ config, params: slm.initSlm(config, core.createRng(1)) }, join(folder, "model"));
    const loadSlm = (path: string) => node.loadSlm(path.replace("path/to/SmolLM2-135M", join(folder, "model")));
    const modules = { "@kd/tensor-core": core, "@kd/slm": slm, "@kd/slm/node": { loadSlm } };
    const [greedy, drawn] = (await runReadme(join(import.meta.dirname, ".."), modules)) as [number[][], number[][]];
    expect(greedy).toHaveLength(2);
    expect(drawn).toHaveLength(1);
    expect([...greedy, ...drawn].flat().every((id) => id > 0 && id < 100)).toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});
