import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as encoder from "./index.ts";

it("the README's example runs", async () => {
  const modules = { "@kd/tensor-core": core, "@kd/vision-encoder": encoder };
  expect(await runReadme(join(import.meta.dirname, ".."), modules)).toEqual([[1, 16, 64]]);
});
