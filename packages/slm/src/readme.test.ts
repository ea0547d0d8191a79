import { join } from "node:path";
import * as core from "@kd/tensor-core";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as slm from "./index.ts";

it("the README's example runs", async () => {
  const modules = { "@kd/tensor-core": core, "@kd/slm": slm };
  const [rows] = (await runReadme(join(import.meta.dirname, ".."), modules)) as [number[][]];
  expect(rows).toHaveLength(1);
  expect(rows[0]).toHaveLength(5);
  expect(rows[0]?.every((id) => id >= 0 && id < 100)).toBe(true);
});
