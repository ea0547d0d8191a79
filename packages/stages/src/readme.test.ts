import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import * as stages from "./index.ts";
import * as node from "./node/index.ts";

it("the README's example runs", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kd-stages-"));
  await core.useBackend({ engine: "wasm", blas: false });
  try {
    const modules = { "@kd/tensor-core": core, "@kd/stages": stages, "@kd/stages/node": node };
    const steps = [[tinyBatch()], [tinyBatch(), tinyBatch({ image: false })]];
    const given = { student: tinyModel(1), teacher: tinyModel(2, 6), steps, folder };
    const printed = await runReadme(join(import.meta.dirname, ".."), modules, given);
    expect(printed).toEqual([1, expect.any(Number), expect.anything(), 2, expect.any(Number), expect.anything()]);
    const loaded = await node.loadCheckpoint(folder, given.student.params);
    expect([loaded.state.step, loaded.extra]).toEqual([2, { stage: "dft", done: 2 }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
