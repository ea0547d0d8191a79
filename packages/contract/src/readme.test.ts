import { join } from "node:path";
import { expect, it } from "vitest";
import { runReadme } from "../../../scripts/run-readme.ts";
import * as contract from "./index.ts";

it("the README's example runs", async () => {
  const printed = await runReadme(join(import.meta.dirname, ".."), { "@kd/contract": contract });
  expect(printed).toEqual([Int32Array.of(2), Int32Array.of(0, 1), true, "KD_DATA"]);
});
