import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as core from "./index.ts";

it("the README's example runs", async () => {
  expect(await runReadme(join(import.meta.dirname, ".."), { "@kd/tensor-core": core })).toEqual([
    [1, 3],
    [2, 3],
  ]);
});
