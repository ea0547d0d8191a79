import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as losses from "./index.ts";

it("the README's example runs", async () => {
  const modules = { "@kd/tensor-core": core, "@kd/losses-rdist": losses };
  expect(await runReadme(join(import.meta.dirname, ".."), modules)).toEqual([[], [5, 4]]);
});
