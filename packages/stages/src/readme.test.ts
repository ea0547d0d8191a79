import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import { tinyBatch, tinyModel } from "../test/tiny-model.ts";
import * as stages from "./index.ts";

it("the README's example runs", async () => {
  await core.useBackend({ engine: "wasm", blas: false });
  const modules = { "@kd/tensor-core": core, "@kd/stages": stages };
  const steps = [[tinyBatch()], [tinyBatch(), tinyBatch({ image: false })]];
  const given = { student: tinyModel(1), teacher: tinyModel(2, 6), steps };
  const printed = await runReadme(join(import.meta.dirname, ".."), modules, given);
  expect(printed).toEqual([1, expect.any(Number), expect.anything(), 2, expect.any(Number), expect.anything(), 2]);
});
